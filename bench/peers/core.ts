import { spawnSync } from 'node:child_process'

import type { Outcome } from '../measure.ts'

function output(command: string, args: string[]): string {
  const { error, status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' })
  if (error !== undefined) throw new Error(`${command}: not found`)
  if (status !== 0) throw new Error(`${command}: ${stderr.trim()}`)
  return stdout
}

/** The program of `benches/ways.rs`, once it is built. */
function build(): string {
  const args = ['bench', '-q', '-p', 'chronicle-core', '--bench', 'ways', '--no-run', '--message-format=json']
  const artifacts = output('cargo', args)
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { executable?: string | null })
  return artifacts.find(({ executable }) => typeof executable === 'string')!.executable!
}

/** Measures a way of the core, which proves its answer itself. */
export function runCore(way: string, size: number, count: number, dir: string): Outcome {
  const { ps } = JSON.parse(output(build(), [way, String(size), String(count), dir])) as { ps: number }
  return { values: { '': ps / 1000 } }
}

import type { Outcome } from '../measure.ts'
import { must } from './queue.ts'

/** The program of `benches/ways.rs`, once it is built. */
function build(): string {
  const args = ['bench', '-q', '-p', 'chronicle-core', '--bench', 'ways', '--no-run', '--message-format=json']
  const artifacts = must('cargo', args)
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { executable?: string | null })
  return artifacts.find(({ executable }) => typeof executable === 'string')!.executable!
}

/** Measures a way of the core, which proves its answer itself. */
export function runCore(way: string, size: number, count: number, dir: string): Outcome {
  const { ps } = JSON.parse(must(build(), [way, String(size), String(count), dir])) as { ps: number }
  return { values: { '': ps / 1000 } }
}

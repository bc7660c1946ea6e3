import type { Outcome } from '../measure.ts'
import { must } from './queue.ts'

const program = ['bench', '-q', '-p', 'chronicle-core', '--bench', 'ways']

/** Has `benches/ways.rs` built, which takes longer than memory stays warm. */
export function buildCore(): void {
  must('cargo', [...program, '--no-run'])
}

/** Measures a way of the core, which proves its answer itself. */
export function runCore(way: string, size: number, count: number, dir: string): Outcome {
  const said = must('cargo', [...program, '--', way, String(size), String(count), dir])
  const { ps } = JSON.parse(said) as { ps: number }
  return { values: { '': ps / 1000 } }
}

import type { Outcome } from '../measure.ts'
import { must } from './queue.ts'

/** Measures a way of the core by `benches/ways.rs`, which proves its answer itself. */
export function runCore(way: string, size: number, count: number, dir: string): Outcome {
  const program = ['bench', '-q', '-p', 'chronicle-core', '--bench', 'ways', '--']
  const said = must('cargo', [...program, way, String(size), String(count), dir])
  const { ps } = JSON.parse(said) as { ps: number }
  return { values: { '': ps / 1000 } }
}

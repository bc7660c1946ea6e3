import type { Curve } from '../curves/curve.ts'
import { curve as payloads } from '../curves/payloads.ts'
import { curve as positions } from '../curves/positions.ts'
import { curve as readers } from '../curves/readers.ts'
import { curve as segments } from '../curves/segments.ts'
import { curve as size } from '../curves/size.ts'
import type { Group, Job, Options, Outcome, Part } from '../measure.ts'
import { stepName } from '../table.ts'

const curves: Record<string, Curve> = { size, readers, payloads, positions, segments }

function stepsOf({ steps, more = [] }: Curve, full: boolean): readonly number[] {
  return full ? [...steps, ...more] : steps
}

function groups({ full }: Options): Group[] {
  return Object.entries(curves).map(([name, curve]) => {
    const steps = stepsOf(curve, full)
    return {
      title: `growth: ${curve.title}`,
      unit: 'as each line says',
      rounds: 1,
      steps: steps.map((step) => curve.label(step)),
      contenders: [{ name, kind: 'ours', job: { part: 'growth', curve: name, steps: steps.join() } }],
      targets: [],
    }
  })
}

async function run(job: Job, dir: string): Promise<Outcome> {
  const curve = curves[String(job['curve'])]!
  const steps = String(job['steps']).split(',').map(Number)
  const figures = await curve.run(steps, dir)
  const values = Object.entries(figures).flatMap(([operation, found]) =>
    found.map((value, index) => [stepName(operation, curve.label(steps[index]!)), value] as const),
  )
  return { values: Object.fromEntries(values) }
}

export const part: Part = { groups, run }

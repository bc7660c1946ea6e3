/** Figures by operation, its unit last in its name: one a step. */
export type Figures = Record<string, number[]>

/** Something that grows, and what is measured at each step of it. */
export interface Curve {
  title: string
  /** The steps by default, and those that follow where there is time and room. */
  steps: readonly number[]
  more?: readonly number[]
  label(step: number): string
  /** Makes a log in `dir` and measures at each step. */
  run(steps: readonly number[], dir: string): Promise<Figures>
}

/** Gathers what is measured at each step. */
export class Gathered {
  readonly figures: Figures = {}

  add(step: Record<string, number>): void {
    for (const [operation, value] of Object.entries(step)) (this.figures[operation] ??= []).push(value)
  }
}

export function bytesLabel(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB']
  let [value, unit] = [bytes, 0]
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024
  return `${value} ${units[unit]}`
}

export function countLabel(count: number): string {
  return count.toLocaleString('en-US')
}

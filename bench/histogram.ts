import { columns, figure } from './table.ts'

/** Values below this have a bucket each; above, each doubling has half as many. */
const LINEAR = 256
const HALF = LINEAR / 2

/** Counts of nanoseconds in buckets that are no wider than 1/128 of what is in them, as in an HDR histogram. */
export class Histogram {
  readonly #counts = new Float64Array(HALF * 48)
  #total = 0
  #max = 0

  get total(): number {
    return this.#total
  }

  add(ns: number): void {
    this.#counts[bucket(ns)]!++
    this.#total++
    if (ns > this.#max) this.#max = ns
  }

  /** The value that this part of all values does not exceed, rounded up to the end of its bucket. */
  percentile(part: number): number {
    let left = Math.max(1, Math.ceil(this.#total * part))
    for (let index = 0; index < this.#counts.length; index++) {
      left -= this.#counts[index]!
      if (left <= 0) return Math.min(this.#max, highest(index))
    }
    return this.#max
  }
}

function bucket(ns: number): number {
  const whole = Math.max(0, Math.floor(ns))
  if (whole < LINEAR) return whole
  const shift = Math.floor(Math.log2(whole)) - 7
  return Math.floor(whole / 2 ** shift) + shift * HALF
}

function highest(index: number): number {
  if (index < LINEAR) return index
  const shift = Math.floor(index / HALF) - 1
  return ((index % HALF) + HALF + 1) * 2 ** shift - 1
}

const parts = [0, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 0.9999, 0.99999, 1]

/** Percentiles, as the text form of an HDR histogram gives them. */
export function showHistogram(histogram: Histogram): string {
  const rows = parts.map((part) => [
    part === 1 ? 'max' : `p${Number((part * 100).toFixed(3))}`,
    figure(histogram.percentile(part)),
    Math.ceil(histogram.total * part).toLocaleString('en-US'),
    part === 1 ? 'inf' : figure(1 / (1 - part)),
  ])
  return columns([['percentile', 'ns', 'count', '1/(1-p)'], ...rows])
}

/** The percentile curve, twenty points for each nine, up to the greatest value. */
export function curvePoints(histogram: Histogram): [nines: number, ns: number][] {
  const end = Math.log10(Math.max(10, histogram.total))
  const points = Array.from({ length: Math.floor(end * 20) }, (_, index): [number, number] => {
    const nines = index / 20
    return [nines, histogram.percentile(1 - 10 ** -nines)]
  })
  return [...points, [Number(end.toFixed(2)), histogram.percentile(1)]]
}

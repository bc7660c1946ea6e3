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

const [WIDTH, HEIGHT, LEFT, BOTTOM] = [720, 360, 70, 40]

/** The percentile curve: nines to the right, nanoseconds upward, both logarithmic. */
export function toSvg(histogram: Histogram, title: string): string {
  const nines = Math.max(2, Math.floor(Math.log10(histogram.total)))
  const top = Math.ceil(Math.log10(Math.max(10, histogram.percentile(1))))
  const x = (part: number) => LEFT + (part * (WIDTH - LEFT - 20)) / nines
  const y = (ns: number) => HEIGHT - BOTTOM - (Math.log10(Math.max(1, ns)) * (HEIGHT - BOTTOM - 40)) / top
  const points = Array.from({ length: nines * 20 + 1 }, (_, index) => {
    const nine = index / 20
    return `${x(nine).toFixed(1)},${y(histogram.percentile(1 - 10 ** -nine)).toFixed(1)}`
  })
  const text = (at: number, height: number, anchor: string, label: string) =>
    `<text x="${at.toFixed(1)}" y="${height.toFixed(1)}" text-anchor="${anchor}">${label}</text>`
  const line = (x1: number, y1: number, x2: number, y2: number) =>
    `<path d="M${x1.toFixed(1)} ${y1.toFixed(1)}L${x2.toFixed(1)} ${y2.toFixed(1)}" stroke="#ccc"/>`
  const across = Array.from({ length: nines + 1 }, (_, nine) => {
    const label = nine === 0 ? '0' : `${Number((100 - 10 ** (2 - nine)).toFixed(nine))} %`
    return line(x(nine), y(1), x(nine), y(10 ** top)) + text(x(nine), HEIGHT - BOTTOM + 18, 'middle', label)
  })
  const units = [
    '1 ns',
    '10 ns',
    '100 ns',
    '1 µs',
    '10 µs',
    '100 µs',
    '1 ms',
    '10 ms',
    '100 ms',
    '1 s',
    '10 s',
  ]
  const up = Array.from({ length: top + 1 }, (_, power) => {
    const height = y(10 ** power)
    return line(x(0), height, x(nines), height) + text(LEFT - 8, height + 4, 'end', units[power] ?? '')
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    text(LEFT, 22, 'start', `${title}: ${histogram.total.toLocaleString('en-US')} messages`),
    ...across,
    ...up,
    `<polyline points="${points.join(' ')}" fill="none" stroke="#06c" stroke-width="2"/>`,
    '</svg>',
    '',
  ].join('\n')
}

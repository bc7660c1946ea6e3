import { figure } from './table.ts'

/** A line of a picture: how many nines of a percentile, and nanoseconds. The last point is the greatest value. */
export interface Trace {
  label: string
  points: readonly (readonly [nines: number, ns: number])[]
}

const [WIDTH, HEIGHT] = [880, 440]
const [LEFT, RIGHT, TOP, BOTTOM] = [84, 24, 84, 62]

/** Each with its color on light and on dark ground. */
const colors = [
  ['#0969da', '#58a6ff'],
  ['#bc4c00', '#f0883e'],
  ['#6e7781', '#8b949e'],
] as const

/** The attributes are for programs that do not know style sheets; others take the reader's colors. */
const style = [
  'text{fill:#1f2328}.ground{fill:#fff}.grid{stroke:#d0d7de}',
  ...colors.map(([light], index) => `.t${index}{stroke:${light}}.p${index}{fill:${light}}`),
  '@media(prefers-color-scheme:dark){text{fill:#e6edf3}.ground{fill:#0d1117}.grid{stroke:#30363d}',
  ...colors.map(([, dark], index) => `.t${index}{stroke:${dark}}.p${index}{fill:${dark}}`),
  '}',
].join('')

const units = ['1 ns', '10 ns', '100 ns', '1 µs', '10 µs', '100 µs', '1 ms', '10 ms', '100 ms', '1 s', '10 s']

/** Percentile curves: nines to the right, time upward, both logarithmic, as an HDR histogram is drawn. */
export function toSvg(title: string, subtitle: string, traces: readonly Trace[]): string {
  const all = traces.flatMap(({ points }) => points)
  const nines = Math.max(1, ...all.map(([nine]) => nine))
  const powers = all.map(([, ns]) => Math.log10(Math.max(1, ns)))
  const [low, high] = [Math.floor(Math.min(...powers)), Math.ceil(Math.max(...powers))]
  const x = (nine: number) => LEFT + (nine * (WIDTH - LEFT - RIGHT)) / nines
  const y = (ns: number) =>
    HEIGHT -
    BOTTOM -
    ((Math.log10(Math.max(1, ns)) - low) * (HEIGHT - TOP - BOTTOM)) / Math.max(1, high - low)
  const [bottom, top] = [y(10 ** low), y(10 ** high)]
  const across = Array.from({ length: Math.floor(nines) + 1 }, (_, nine) => {
    const label = `${Number((100 - 10 ** (2 - nine)).toFixed(nine))} %`
    return line(x(nine), bottom, x(nine), top) + text(x(nine), bottom + 18, 'middle', label)
  })
  const up = Array.from({ length: high - low + 1 }, (_, index) => {
    const height = y(10 ** (low + index))
    return line(LEFT, height, x(nines), height) + text(LEFT - 8, height + 4, 'end', units[low + index] ?? '')
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}"` +
      ` role="img" aria-label="${escape(title)}" font-family="system-ui, Helvetica, Arial, sans-serif" font-size="12">`,
    `<title>${escape(title)}</title>`,
    `<style>${style}</style>`,
    `<rect class="ground" width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    text(LEFT, 24, 'start', title, ' font-size="16" font-weight="600"'),
    text(LEFT, 44, 'start', subtitle),
    ...across,
    ...up,
    text((LEFT + x(nines)) / 2, HEIGHT - 14, 'middle', 'percentile of the appends'),
    text(
      0,
      0,
      'middle',
      'time of one append',
      ` transform="translate(18 ${(top + bottom) / 2}) rotate(-90)"`,
    ),
    ...traces.map((trace, index) => curve(trace, index, x, y)),
    ...traces.map(({ label, points }, index) => legend(label, points.at(-1)![1], index)),
    '</svg>',
    '',
  ].join('\n')
}

type Scale = (value: number) => number

function curve({ points }: Trace, index: number, x: Scale, y: Scale): string {
  const path = points.map(([nine, ns]) => `${x(nine).toFixed(1)},${y(ns).toFixed(1)}`).join(' ')
  const [nine, most] = points.at(-1)!
  const light = colors[index]![0]
  return (
    `<polyline class="t${index}" points="${path}" fill="none" stroke="${light}" stroke-width="2"/>` +
    `<circle class="p${index}" cx="${x(nine).toFixed(1)}" cy="${y(most).toFixed(1)}" r="4" fill="${light}"/>`
  )
}

function legend(label: string, most: number, index: number): string {
  const at = LEFT + (index * (WIDTH - LEFT - RIGHT)) / colors.length
  const light = colors[index]![0]
  return (
    `<path class="t${index}" d="M${at.toFixed(1)} 64h18" stroke="${light}" stroke-width="3"/>` +
    text(at + 24, 68, 'start', `${label}, max ${duration(most)}`)
  )
}

function duration(ns: number): string {
  if (ns < 1e3) return `${figure(ns)} ns`
  return ns < 1e6 ? `${figure(ns / 1e3)} µs` : `${figure(ns / 1e6)} ms`
}

function text(x: number, y: number, anchor: string, label: string, more = ''): string {
  const place = more.includes('translate') ? '' : ` x="${x.toFixed(1)}" y="${y.toFixed(1)}"`
  return `<text${place} text-anchor="${anchor}" fill="#1f2328"${more}>${escape(label)}</text>`
}

function line(x1: number, y1: number, x2: number, y2: number): string {
  return `<path class="grid" d="M${x1.toFixed(1)} ${y1.toFixed(1)}L${x2.toFixed(1)} ${y2.toFixed(1)}" stroke="#d0d7de"/>`
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}

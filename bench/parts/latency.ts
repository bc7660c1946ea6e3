import { writeFileSync } from 'node:fs'

import { Histogram, curvePoints, showHistogram } from '../histogram.ts'
import type { Group, Job, Line, Options, Outcome, Part } from '../measure.ts'
import { warmMemory } from '../memory.ts'
import { makePayloads, verify } from '../payloads.ts'
import { toSvg } from '../svg.ts'

const SIZE = 64
/** Messages a second at the fixed rate: a third of what full speed gives. */
const RATE = 500_000
const INTERVAL_MS = 1000 / RATE
/** Few, because what there is of them makes collecting the clock's garbage take longer. */
const PAYLOADS = 10_000
const WARM_UP = 300_000
const limits = { must: 50_000, aim: 10_000 }

function groups(options: Options): Group[] {
  const whole = options.full || options.svg
  const job = (way: string): Job => ({
    part: 'latency',
    way,
    count: whole || way === 'full' ? 5_000_000 : 750_000,
    draw: options.svg,
  })
  const rate = `at ${RATE.toLocaleString('en-US')} a second`
  return [
    {
      title: `latency of one append, ${SIZE} B, across rolls`,
      unit: 'ns',
      rounds: whole ? 1 : 2,
      contenders: [
        { name: `${rate}, no append`, kind: 'peer', job: job('idle'), rounds: 1 },
        { name: rate, kind: 'ours', job: job('rate') },
        { name: 'at full speed', kind: 'ours', job: job('full'), rounds: 1 },
      ],
      targets: [
        { what: 'p99.99 at full speed', line: 'at full speed: p99.99', against: 'limit', ...limits },
        { what: `p99.99 ${rate}`, line: `${rate}: append alone, p99.99`, against: 'limit', ...limits },
      ],
    },
  ]
}

async function run(job: Job, dir: string): Promise<Outcome> {
  const { openLog } = await import('../peers/chronicle.ts')
  const count = Number(job['count'])
  const payloads = makePayloads(SIZE, PAYLOADS)
  warmMemory(dir, 1.5 * count * 2 * SIZE)
  const log = openLog(dir)
  const append = (index: number) => log.append(payloads[index % payloads.length]!)
  for (let index = 0; index < WARM_UP; index++) append(index)
  const does = job['way'] === 'idle' ? () => 0 : append
  const measure = job['way'] === 'full' ? fullSpeed : fixedRate
  // Compiling the loop takes milliseconds, too.
  measure(new Histogram(), new Histogram(), WARM_UP, does)
  const [histogram, alone] = [new Histogram(), new Histogram()]
  measure(histogram, alone, count, does)
  const written = (job['way'] === 'idle' ? WARM_UP : 2 * WARM_UP + count) / payloads.length
  await verify(payloads, written, (see) => {
    for (const message of log.read()) see(message.payload)
  })
  log.close()
  const values: Outcome['values'] = {}
  for (const part of [0.5, 0.99, 0.999, 0.9999, 1]) values[name(part)] = histogram.percentile(part)
  let note = `${String(job['way'])}:\n${showHistogram(histogram)}`
  if (job['way'] === 'rate') {
    values['append alone, p99.99'] = alone.percentile(0.9999)
    note += `\n\nappend alone:\n${showHistogram(alone)}`
  }
  const points = job['draw'] === true ? { points: curvePoints(histogram) } : {}
  return { values, note, ...points }
}

/** All curves in one picture. */
function draw(lines: readonly Line[]): void {
  const traces = new Map<string, NonNullable<Line['points']>>()
  for (const { name, points } of lines) if (points !== undefined) traces.set(name.split(':')[0]!, points)
  if (traces.size === 0) return
  const count =
    Math.round(10 ** Math.max(...[...traces.values()].map((points) => points.at(-1)![0])) / 1e5) / 10
  const subtitle = `${count} million messages of ${SIZE} B each, across rolls; waiting for a slow append counts at the fixed rate`
  writeFileSync(
    'docs/latency.svg',
    toSvg(
      'Latency of log.append()',
      subtitle,
      [...traces].map(([label, points]) => ({ label, points })),
    ),
  )
}

function name(part: number): string {
  return part === 1 ? 'max' : `p${Number((part * 100).toFixed(2))}`
}

type Measure = (
  histogram: Histogram,
  alone: Histogram,
  count: number,
  does: (index: number) => unknown,
) => void

/** One after the other; each is as long as it takes, the clock included. */
const fullSpeed: Measure = (histogram, _alone, count, does) => {
  let before = performance.now()
  for (let index = 0; index < count; index++) {
    does(index)
    const after = performance.now()
    histogram.add((after - before) * 1e6)
    before = after
  }
}

/**
 * Each at its time, and measured from that time on, begun or not: one that is late because another was slow counts its delay,
 * which a measurement from its own beginning would omit. `alone` corrects measurements from their beginning for what they omit, so that
 * it tells of slow ones among them, and not of what else keeps the loop from its time.
 */
const fixedRate: Measure = (histogram, alone, count, does) => {
  const start = performance.now()
  for (let index = 0; index < count; index++) {
    const due = start + index * INTERVAL_MS
    let before = performance.now()
    while (before < due) before = performance.now()
    does(index)
    const after = performance.now()
    histogram.add((after - due) * 1e6)
    alone.addCorrected((after - before) * 1e6, INTERVAL_MS * 1e6)
  }
}

export const part: Part = { groups, run, draw }

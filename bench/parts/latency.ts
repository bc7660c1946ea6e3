import { writeFileSync } from 'node:fs'

import { Histogram, curvePoints, showHistogram } from '../histogram.ts'
import type { Group, Job, Line, Options, Outcome, Part } from '../measure.ts'
import { makePayloads, verify } from '../payloads.ts'
import { toSvg } from '../svg.ts'

const SIZE = 64
/** Messages a second at the fixed rate: a third of what full speed gives. */
const RATE = 500_000

function groups(options: Options): Group[] {
  const job = (way: string): Job => ({
    part: 'latency',
    way,
    count: options.full || options.svg || way === 'full' ? 5_000_000 : 1_500_000,
    draw: options.svg,
  })
  const speeds = [
    'at full speed',
    `at ${RATE.toLocaleString('en-US')} a second`,
    'no append, clock alone',
  ] as const
  return [
    {
      title: `latency of one append, ${SIZE} B, across rolls`,
      unit: 'ns',
      rounds: 1,
      contenders: [
        { name: speeds[0], kind: 'ours', job: job('full') },
        { name: speeds[1], kind: 'ours', job: job('rate') },
        { name: speeds[2], kind: 'peer', job: job('idle') },
      ],
      targets: speeds.slice(0, 2).map((speed) => ({
        what: `p99.99 ${speed}`,
        line: `${speed}: p99.99`,
        against: 'limit',
        must: 50_000,
        aim: 10_000,
      })),
    },
  ]
}

async function run(job: Job, dir: string): Promise<Outcome> {
  const { openLog } = await import('../peers/chronicle.ts')
  const count = Number(job['count'])
  const payloads = makePayloads(SIZE, 100_000)
  const log = openLog(dir)
  const append = (index: number) => log.append(payloads[index % payloads.length]!)
  for (let index = 0; index < 2 * payloads.length; index++) append(index)
  const histogram = new Histogram()
  const does = job['way'] === 'idle' ? () => 0 : append
  if (job['way'] === 'rate') fixedRate(histogram, count, does)
  else fullSpeed(histogram, count, does)
  const written = job['way'] === 'idle' ? 2 : 2 + count / payloads.length
  await verify(payloads, written, (see) => {
    for (const message of log.read()) see(message.payload)
  })
  log.close()
  const values = Object.fromEntries(
    [0.5, 0.99, 0.999, 0.9999, 1].map((part) => [name(part), histogram.percentile(part)]),
  )
  const points = job['draw'] === true ? { points: curvePoints(histogram) } : {}
  return { values, note: `${String(job['way'])}:\n${showHistogram(histogram)}`, ...points }
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

/** One after the other; each is as long as it takes, the clock included. */
function fullSpeed(histogram: Histogram, count: number, does: (index: number) => unknown): void {
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
 * which a measurement from its own beginning would omit.
 */
function fixedRate(histogram: Histogram, count: number, does: (index: number) => unknown): void {
  const start = performance.now()
  for (let index = 0; index < count; index++) {
    const due = start + (index * 1000) / RATE
    while (performance.now() < due);
    does(index)
    histogram.add((performance.now() - due) * 1e6)
  }
}

export const part: Part = { groups, run, draw }

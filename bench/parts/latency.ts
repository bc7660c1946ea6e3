import { writeFileSync } from 'node:fs'
import { PerformanceObserver } from 'node:perf_hooks'
import { setTimeout as pause } from 'node:timers/promises'

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
      rounds: whole ? 1 : 3,
      contenders: [
        { name: `${rate}, no append`, kind: 'peer', job: job('idle'), rounds: 1 },
        { name: rate, kind: 'ours', job: job('rate') },
        { name: 'at full speed', kind: 'ours', job: job('full'), rounds: 1 },
      ],
      targets: [
        { what: 'p99.99 at full speed', line: 'at full speed: p99.99', against: 'limit', ...limits },
        {
          what: `p99.99 ${rate}, append alone`,
          line: `${rate}: append alone, p99.99`,
          against: 'limit',
          ...limits,
        },
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
  const [histogram, alone] = [new Histogram(), new Histogram()]
  if (job['way'] === 'full') {
    // Compiling the loop takes milliseconds, too.
    fullSpeed(new Histogram(), WARM_UP, does)
    fullSpeed(histogram, count, does)
  } else {
    fixedRate(WARM_UP, does)
    const collections = watchCollector()
    const turns = fixedRate(count, does)
    for (let index = 0; index < count; index++) histogram.add((turns.ended[index]! - turns.due(index)) * 1e6)
    addAlone(alone, turns, await collections())
  }
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

/** Turns at a fixed rate: when each was due, begun and ended, in milliseconds. */
interface Turns {
  due(index: number): number
  begun: Float64Array
  ended: Float64Array
}

/** Each at its time, or as soon as those before it are done. */
function fixedRate(count: number, does: (index: number) => unknown): Turns {
  // Filled, so that its pages are there.
  const [begun, ended] = [new Float64Array(count).fill(1), new Float64Array(count).fill(1)]
  const start = performance.now()
  const due = (index: number) => start + index * INTERVAL_MS
  for (let index = 0; index < count; index++) {
    const at = due(index)
    let before = performance.now()
    while (before < at) before = performance.now()
    does(index)
    ended[index] = performance.now()
    begun[index] = before
  }
  return { due, begun, ended }
}

interface Collection {
  startTime: number
  duration: number
}

/** When garbage is collected from here on. Appends make none: it is the clock's. */
function watchCollector(): () => Promise<Collection[]> {
  const collections: Collection[] = []
  const observer = new PerformanceObserver((list) => void collections.push(...list.getEntries()))
  observer.observe({ entryTypes: ['gc'] })
  return async () => {
    // They come in a later turn of the event loop.
    await pause(50)
    observer.disconnect()
    return collections
  }
}

/**
 * What the work of each turn alone, without collections, makes of its latency: a turn ends as much after it was due, or after the one before
 * ended, as its work takes. One that is slow so delays those that are due meanwhile, and what else keeps the loop from its time does not.
 */
function addAlone(
  histogram: Histogram,
  { due, begun, ended }: Turns,
  collections: readonly Collection[],
): void {
  let [end, next] = [0, 0]
  for (let index = 0; index < begun.length; index++) {
    const [from, to] = [begun[index]!, ended[index]!]
    let took = to - from
    while (next < collections.length && collections[next]!.startTime < to) {
      const { startTime, duration } = collections[next++]!
      took -= Math.max(0, Math.min(to, startTime + duration) - Math.max(from, startTime))
    }
    end = Math.max(due(index), end) + took
    histogram.add((end - due(index)) * 1e6)
  }
}

export const part: Part = { groups, run, draw }

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'

import {
  percentile,
  type Contender,
  type Group,
  type Job,
  type Options,
  type Outcome,
  type Part,
} from '../measure.ts'
import type { Channel } from '../peers/channel.ts'

const COUNT = 2500
const WARM_UP = 500
/** Between two messages, so that each finds its reader asleep, or spinning, and none waits behind another. */
const PAUSE_MS = 0.2

const ways = [
  ['log.tail() in another process', 'ours', 'tail', 50_000, 20_000],
  ['blocking cursor in another process', 'ours', 'blocking', 10_000, 4_000],
  ['spinning cursor in another process', 'ours', 'spinning', 1_000, 400],
  ['process.send', 'peer', 'send'],
  ['worker postMessage', 'peer', 'worker'],
  ['Unix socket', 'peer', 'socket'],
  ['Atomics.wait in a worker: what a wake-up takes here', 'peer', 'futex'],
] as const

function groups(_options: Options): Group[] {
  const contenders = ways.map(([name, kind, way]): Contender => ({
    name,
    kind,
    job: { part: 'handoff', way },
    // Nothing is held against them.
    ...(kind === 'peer' ? { rounds: 1 } : {}),
  }))
  const targets = ways.flatMap(([name, , , must, aim]) =>
    must === undefined
      ? []
      : [{ what: `${name}, median`, line: `${name}: median`, against: 'limit' as const, must, aim }],
  )
  return [{ title: 'hand-off of one message, 64 B', unit: 'ns', rounds: 2, contenders, targets }]
}

/** Nanoseconds of a clock that all processes share; exact in a double for 104 days of uptime. */
export function now(): number {
  return Number(process.hrtime.bigint())
}

/** The receiving end: what came, and how long each was under way. */
export class Receiver {
  readonly #times: number[] = []
  #sum = 0
  readonly #done: (result: { times: number[]; sum: number }) => void

  constructor(done: (result: { times: number[]; sum: number }) => void) {
    this.#done = done
  }

  /** Takes a message: its number and when it was sent, as doubles. Returns false when it was the last. */
  take(payload: Uint8Array): boolean {
    const arrived = now()
    const view = new DataView(payload.buffer, payload.byteOffset, payload.length)
    this.#times.push(arrived - view.getFloat64(8, true))
    this.#sum += view.getFloat64(0, true)
    if (this.#times.length < COUNT) return true
    this.#done({ times: this.#times.slice(WARM_UP), sum: this.#sum })
    return false
  }
}

async function run(job: Job, dir: string): Promise<Outcome> {
  const way = String(job['way'])
  const path = fileURLToPath(new URL('../peers/receive.js', import.meta.url))
  const { senders } = await import('../peers/channel.ts')
  const end =
    way === 'worker' || way === 'futex'
      ? new Worker(path, { argv: [way, dir] })
      : fork(path, [way, dir], { serialization: 'advanced' })
  const channel: Channel = await senders[way]!(dir, end)
  await once(end, 'message')
  const message = new Uint8Array(64)
  const view = new DataView(message.buffer)
  const result = once(end, 'message') as Promise<[{ times: number[]; sum: number }]>
  for (let index = 0; index < COUNT; index++) {
    view.setFloat64(0, index, true)
    const due = performance.now() + PAUSE_MS
    // An event loop has to turn for those who send by it.
    if (channel.turn) await new Promise(setImmediate)
    while (performance.now() < due);
    view.setFloat64(8, now(), true)
    channel.send(message)
  }
  const [{ times, sum }] = await result
  channel.close()
  if (sum !== (COUNT * (COUNT - 1)) / 2) throw new Error('messages are missing: wrong answer')
  return { values: { median: percentile(times, 0.5), p99: percentile(times, 0.99) } }
}

export const part: Part = { groups, run }

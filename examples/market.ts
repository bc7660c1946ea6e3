// A recorder and replayer of market data. A tick carries the time at which it happened; the replay keeps the distances between those
// times, or a part of them, so a strategy can be tried on a recording as if it were live.
//
//   node market.ts record stocks.csv [folder]
//   node market.ts replay [folder] [speed] [symbol]     speed 1 is the original one, 1e9 a year in 32 ms
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'

import { Chronicle, json } from 'chronicle-log'

interface Tick {
  symbol: string
  /** Milliseconds since the Unix epoch. */
  at: number
  price: number
}

function open(folder: string): Chronicle<Tick> {
  return Chronicle.open<Tick>(folder, { codec: json<Tick>() })
}

/** Rows of `symbol,date,price`, in the order of their dates: the file goes symbol by symbol. */
async function ticksOf(file: string): Promise<Tick[]> {
  const ticks: Tick[] = []
  for await (const line of createInterface({ input: createReadStream(file) })) {
    const [symbol = '', date = '', price = ''] = line.split(',')
    const at = Date.parse(`${date} UTC`)
    if (!Number.isNaN(at)) ticks.push({ symbol, at, price: Number(price) })
  }
  return ticks.toSorted((one, other) => one.at - other.at)
}

/** Appends what the recording does not have yet, so that a recorder that was killed goes on. */
async function record(file: string, folder: string): Promise<void> {
  const log = open(folder)
  const ticks = await ticksOf(file)
  for (const [seq, tick] of ticks.entries()) if (seq >= log.nextSeq) log.append(tick, { expectedSeq: seq })
  await log.sync()
  console.log(`recorded ${log.nextSeq} ticks`)
  log.close()
}

async function replay(folder: string, speed: number, only?: string): Promise<void> {
  const log = open(folder)
  const started = performance.now()
  let first: number | undefined
  let late = 0
  for (const { value: tick } of log.read()) {
    first ??= tick.at
    const due = (tick.at - first) / speed
    await waitUntil(started + due)
    late = Math.max(late, performance.now() - started - due)
    if (only !== undefined && tick.symbol !== only) continue
    const date = new Date(tick.at).toISOString().slice(0, 10)
    console.log(`+${due.toFixed(1)} ms ${date} ${tick.symbol} ${tick.price}`)
  }
  console.error(`the latest tick came ${late.toFixed(1)} ms late`)
  log.close()
}

/** Timers reach no further than 2^31 - 1 ms, and the original speed of some recordings does. */
async function waitUntil(time: number): Promise<void> {
  for (let left; (left = time - performance.now()) > 0;) await pause(Math.min(left, 2 ** 31 - 1))
}

const [task, ...rest] = process.argv.slice(2)
if (task === 'record' && rest[0] !== undefined) await record(rest[0], rest[1] ?? './market')
else if (task === 'replay') await replay(rest[0] ?? './market', Number(rest[1] ?? 1), rest[2])
else throw new Error('market.ts record FILE [folder] | market.ts replay [folder] [speed] [symbol]')

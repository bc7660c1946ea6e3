import { rmSync } from 'node:fs'

import type { Chronicle as Log } from '../../index.ts'
import { fillLog } from '../fill.ts'
import { residentMemory } from '../memory.ts'
import { median, medianMs, timed } from '../measure.ts'
import { openLog } from '../peers/chronicle.ts'

const OPENINGS = 15
const SEEKS = 200
export const LOOKS = 25
const [PASSES, APPENDS] = [5, 1000]
/** In walks that are longer, memory is looked at on the way. */
const [WALKS, LONG] = [15, 2000]
/** How long one operation is repeated, but for the fewest calls. */
const [BUDGET_MS, FEWEST] = [250, 3]

/** What everyday operations cost at a log as it is. Appends some messages. */
export async function look(
  dir: string,
  payload: Uint8Array,
  appends = APPENDS,
): Promise<Record<string, number>> {
  const openings = {
    'open for reading, µs': micros(OPENINGS, () => openLog(dir, { readOnly: true }).close()),
    'open for writing, µs': micros(OPENINGS, () => {
      const log = openLog(dir)
      log.acquire()
      log.close()
    }),
  }
  const log = openLog(dir)
  try {
    const found = { ...walk(log), ...seek(log), ...questions(log) }
    return { ...openings, 'append, ns': await append(log, payload, appends), ...found }
  } finally {
    log.close()
  }
}

/** Runs all of it at a small log of its own, before the first step. */
export async function warmUp(dir: string): Promise<void> {
  await fillLog(dir, 1 << 20, 1024)
  await look(dir, new Uint8Array(64))
  rmSync(dir, { recursive: true })
}

/** The median duration of a call, in microseconds: of so many calls, or fewer where they take long. */
export function micros(times: number, call: (index: number) => unknown): number {
  const durations: number[] = []
  const end = performance.now() + BUDGET_MS
  for (let index = 0; index < times && (index < FEWEST || performance.now() < end); index++) {
    durations.push(medianMs(1, () => call(index)))
  }
  return median(durations) * 1000
}

/** Nanoseconds an append, at the end of a log. */
export async function append(log: Log, payload: Uint8Array, appends = APPENDS): Promise<number> {
  const passes = []
  for (let pass = 0; pass < PASSES; pass++) {
    const pending = timed(appends, () => {
      for (let index = 0; index < appends; index++) log.append(payload)
    })
    passes.push((await pending).ns)
  }
  return median(passes)
}

export function questions(log: Log): Record<string, number> {
  return {
    'stats, µs': micros(LOOKS, () => log.stats()),
    'prune, dry run, µs': micros(LOOKS, () => log.prune({ keepBytes: 0, dryRun: true })),
  }
}

/** The whole log, and the most memory on the way. */
function walk(log: Log): Record<string, number> {
  const count = log.nextSeq - log.firstSeq
  let [anonymous, mapped] = [0, 0]
  const remember = () => {
    const memory = residentMemory()
    anonymous = Math.max(anonymous, memory.anonymous)
    mapped = Math.max(mapped, memory.mapped)
  }
  const every = Math.ceil(count / 32)
  const took = micros(WALKS, () => {
    const cursor = log.cursor()
    let seen = 0
    while (cursor.next()) {
      if (cursor.seq !== seen++) throw new Error('messages are missing: wrong answer')
      if (count >= LONG && seen % every === 0) remember()
    }
    cursor.close()
    if (seen !== count) throw new Error('messages are missing: wrong answer')
  })
  remember()
  return {
    'cursor, ns a message': (took * 1000) / count,
    'memory of its own, MiB': anonymous,
    'mapped files in memory, MiB': mapped,
  }
}

function seek(log: Log): Record<string, number> {
  const count = log.nextSeq
  const place = (index: number) => (index * 7_368_787) % count
  const first = (from: number | bigint) => {
    const cursor = log.cursor({ from, limit: 1 })
    if (!cursor.next()) throw new Error('a seek found nothing: wrong answer')
    const { seq, timestampNs } = cursor
    cursor.close()
    return { seq, timestampNs }
  }
  const stamps = Array.from({ length: SEEKS }, (_, index) => first(place(index)).timestampNs)
  return {
    'seek by seq, µs': micros(SEEKS, (index) => {
      if (first(place(index)).seq !== place(index)) throw new Error('a seek went astray: wrong answer')
    }),
    'seek by time, µs': micros(SEEKS, (index) => {
      if (first(stamps[index]!).timestampNs !== stamps[index])
        throw new Error('a seek went astray: wrong answer')
    }),
  }
}

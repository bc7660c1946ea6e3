import type { Chronicle as Log } from '../../index.ts'
import { residentMemory } from '../memory.ts'
import { median, medianMs, timed } from '../measure.ts'
import { openLog } from '../peers/chronicle.ts'

const OPENINGS = 15
const SEEKS = 200
const LOOKS = 25
const [PASSES, APPENDS] = [5, 1000]

/** What everyday operations cost at a log as it is. Appends some messages. */
export async function look(dir: string, payload: Uint8Array): Promise<Record<string, number>> {
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
    return { ...openings, 'append, ns': await append(log, payload), ...found }
  } finally {
    log.close()
  }
}

/** The median duration of a call, in microseconds. */
export function micros(times: number, call: (index: number) => unknown): number {
  return medianMs(times, call) * 1000
}

/** Nanoseconds an append, at the end of a log. */
export async function append(log: Log, payload: Uint8Array): Promise<number> {
  const passes = []
  for (let pass = 0; pass < PASSES; pass++) {
    const pending = timed(APPENDS, () => {
      for (let index = 0; index < APPENDS; index++) log.append(payload)
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
  const every = Math.max(1, Math.floor((log.nextSeq - log.firstSeq) / 32))
  let [seen, anonymous, mapped] = [0, 0, 0]
  const start = performance.now()
  const cursor = log.cursor()
  while (cursor.next()) {
    if (cursor.seq !== seen++) throw new Error('messages are missing: wrong answer')
    if (seen % every !== 0) continue
    const memory = residentMemory()
    anonymous = Math.max(anonymous, memory.anonymous)
    mapped = Math.max(mapped, memory.mapped)
  }
  const took = performance.now() - start
  cursor.close()
  if (seen !== log.nextSeq) throw new Error('messages are missing: wrong answer')
  return {
    'cursor, ns a message': (took * 1e6) / seen,
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

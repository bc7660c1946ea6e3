import type { Chronicle } from '../index.ts'

import { parseTime } from './time.ts'

/** A place in the log as the facade takes it: a seq, so many before the end, nanoseconds, or a word. */
export type Place = number | bigint | 'start' | 'end'

/** How help describes a place. */
export const placeHelp = [
  'PLACE is a seq (42), so many messages before the end (-10), start, end, the first message at a time',
  '(2026-01-31T12:00:00Z, UTC unless it says otherwise) or that long ago (250ms, 10s, 5m, 2h, 7d).',
]

export function parsePlace(given: string): Place | undefined {
  if (given === 'start' || given === 'end') return given
  if (!/^-?\d+$/.test(given)) return parseTime(given)
  const seq = Number(given)
  // "-0" is no place: it would be the start where the end is meant.
  return Number.isSafeInteger(seq) && given !== '-0' ? seq : undefined
}

/** The seq of the first message at a place or behind it; of the next message where there is none. */
export function seqAt(log: Chronicle, place: Place): number {
  if (place === 'start') return log.firstSeq
  if (place === 'end') return log.nextSeq
  if (typeof place === 'number') return place < 0 ? Math.max(log.firstSeq, log.nextSeq + place) : place
  using messages = log.read({ from: place, limit: 1 })[Symbol.iterator]()
  const { value } = messages.next()
  return value === undefined ? log.nextSeq : value.seq
}

import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

import { readControl, type Control } from './control.ts'
import { Refusal, check } from './refusal.ts'
import {
  FIRST_RECORD,
  openSegment,
  recordBytes,
  segmentPath,
  walkSegment,
  type Message,
  type Place,
} from './segment.ts'

export type { Control } from './control.ts'
export type { Message, Place } from './segment.ts'
export { Refusal, type Kind } from './refusal.ts'

/** The first seqs of the segments that are there, ascending. */
export function segmentBases(dir: string): number[] {
  return readdirSync(dir)
    .filter((name) => /^\d{20}\.seg$/.test(name) && BigInt(name.slice(0, 20)) <= 2n ** 53n)
    .map((name) => Number(name.slice(0, 20)))
    .toSorted((a, b) => a - b)
}

/** What a walk over a whole log finds. */
export interface Found {
  readonly control: Control
  /** The seq of the first message that is left, or of the next one. */
  readonly firstSeq: number
  readonly messages: readonly Message[]
  /** Where the log ends: the place of the next message. */
  readonly end: Place | undefined
  /** Why the walk could not go on to the end. */
  readonly refusal: Refusal | undefined
}

/** Reads everything that can be read; a refusal stands behind the messages before it. */
export function survey(dir: string): Found {
  const log = new Log(dir)
  const messages: Message[] = []
  let refusal: Refusal | undefined
  try {
    for (const message of log) messages.push(message)
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    refusal = error
  }
  return { control: log.control, firstSeq: log.firstSeq, messages, end: log.end, refusal }
}

/** A log that nobody writes to now. Iterating yields the messages, and throws a Refusal at what is not sound. */
export class Log implements Iterable<Message> {
  readonly dir: string
  readonly control: Control
  readonly firstSeq: number
  /** Where the log ends, once an iteration has come to it. */
  end: Place | undefined

  constructor(dir: string) {
    const path = join(dir, 'control')
    const bases = existsSync(dir) ? segmentBases(dir) : []
    check(existsSync(path) || bases.length === 0, 'CORRUPT', 'segments without control', { path })
    this.dir = dir
    this.control = readControl(path)
    const { firstSeq } = this.control
    // Lower ones were pruned, and their removal did not come off.
    const where = { path: segmentPath(dir, firstSeq), seq: firstSeq }
    check(bases.includes(firstSeq), 'MISSING_SEGMENT', 'no first segment', where)
    this.firstSeq = firstSeq
  }

  *[Symbol.iterator](): Generator<Message, void> {
    this.end = undefined
    let place: Place | undefined = this.#start()
    while (place !== undefined) {
      const step: Step = yield* this.#segment(place)
      this.end = step.end
      place = step.next
    }
  }

  #start(): Place {
    const path = segmentPath(this.dir, this.firstSeq)
    return { path, offset: FIRST_RECORD, seq: this.firstSeq, epoch: 0, timestampNs: 0n }
  }

  /** The messages of the segment behind `before`, whole batches only where a power cut may have taken something. */
  *#segment(before: Place): Generator<Message, Step> {
    let batch: Message[] = []
    let start = before
    try {
      const segment = this.#open(before)
      start = segment.first
      const walk = walkSegment(segment)
      for (;;) {
        const { value, done } = walk.next()
        if (done === true) {
          checkBatch(batch, undefined)
          return this.#leave(value)
        }
        checkBatch(batch, value)
        batch.push(value)
        if (value.batchRemaining > 0) continue
        yield* batch
        batch = []
        start = behind(value)
      }
    } catch (error) {
      if (!(error instanceof Refusal) || !this.#isTorn(error, start)) {
        yield* batch
        throw error
      }
      return { end: start }
    }
  }

  #open(before: Place): ReturnType<typeof openSegment> {
    const { seq } = before
    const path = segmentPath(this.dir, seq)
    check(existsSync(path), 'MISSING_SEGMENT', 'the next segment is not there', { path, seq })
    const segment = openSegment(this.dir, seq, this.control.id)
    const { epoch, timestampNs } = segment.first
    const older = epoch < before.epoch || timestampNs < before.timestampNs
    check(!older, 'CORRUPT', 'older than the segment before', { path, offset: 64, seq })
    return segment
  }

  /** At END the walk goes on; at the head it ends, unless something is promised there. */
  #leave({ place, end }: { place: Place; end: boolean }): Step {
    // END at the start of a segment: a larger one takes its name, and was not made yet.
    if (end && place.offset !== FIRST_RECORD) return { next: place }
    const { sameBoot, headSeq, durablePoint } = this.control
    const promised = sameBoot ? Math.max(headSeq, durablePoint) : durablePoint
    check(place.seq >= promised, 'CORRUPT', 'a published message is not there', place)
    return { end: place }
  }

  /** Whether a refusal is where a recovery will cut: after a power cut, behind the durable point, and no later version's. */
  #isTorn({ kind }: Refusal, { seq }: Place): boolean {
    const { sameBoot, durablePoint } = this.control
    const later = kind === 'UNSUPPORTED_FEATURE' || kind === 'UNSUPPORTED_VERSION'
    return !sameBoot && !later && seq >= durablePoint
  }
}

/** Where the next segment starts, or where the log ends. */
interface Step {
  readonly next?: Place
  readonly end?: Place
}

/** The messages of a batch have one time and count down. */
function checkBatch(batch: readonly Message[], next: Message | undefined): void {
  const last = batch.at(-1)
  if (last === undefined) return
  const { path } = last
  const follows =
    next?.batchRemaining === last.batchRemaining - 1 &&
    next.timestampNs === last.timestampNs &&
    next.epoch === last.epoch
  check(follows, 'CORRUPT', 'an incomplete batch', { path, offset: next?.offset, seq: last.seq + 1 })
}

function behind({ path, offset, length, seq, epoch, timestampNs }: Message): Place {
  return { path, offset: offset + recordBytes(length), seq: seq + 1, epoch, timestampNs }
}

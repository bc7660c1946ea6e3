import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'

import { readControl } from '../../__test__/reference/control.ts'
import { Refusal, survey, type Found, type Message } from '../../__test__/reference/log.ts'
import { readPosition, readerNames } from '../../__test__/reference/position.ts'
import type { Finding } from '../harness.ts'
import { callOf, textOf, typeOf } from './work.mjs'

/** What a process told before it was killed. */
interface Told {
  readonly start: number
  /** Everything below this was returned for. */
  readonly done: number
  /** Nothing from this on was ever asked for. */
  readonly underWay: number
}

/** What a process has told, or nothing where it had not begun. */
export function readTold(path: string): Told | undefined {
  if (!existsSync(path)) return undefined
  const bytes = readFileSync(path)
  if (bytes.length < 24) return undefined
  return { start: bytes.readDoubleLE(0), done: bytes.readDoubleLE(8), underWay: bytes.readDoubleLE(16) }
}

/** One of the things that must never happen. */
export class Violation extends Error {
  readonly kind: Finding['kind']

  constructor(kind: Finding['kind'], what: string) {
    super(what)
    this.kind = kind
  }
}

function must(holds: boolean, kind: Finding['kind'], what: () => string): asserts holds {
  if (!holds) throw new Violation(kind, what())
}

interface Life {
  readonly life: number
  readonly start: number
  end: number
}

/** What one log must hold, from what its writers and committers have told. */
export class Ledger {
  readonly #dir: string
  readonly #seed: number
  readonly #told: string
  readonly #lives: Life[] = []
  readonly #positions = new Map<string, { readonly seq: number; readonly firstSeq: number }>()
  #end = 0
  #firstSeq = 0

  /** What processes tell stands beside the log, or beside `told` where that has no room for it. */
  constructor(dir: string, seed: number, told = dir) {
    this.#dir = dir
    this.#seed = seed
    this.#told = told
  }

  /** The seq that the next message gets. */
  get end(): number {
    return this.#end
  }

  /** The path of what a process tells. */
  told(who: string): string {
    return `${this.#told}.${who}`
  }

  /** Looks at the log after the writer of `life` was killed. Returns what was seen, for the statistics. */
  afterWriter(life: number): Readonly<Record<string, number>> {
    const path = this.told('writer')
    const told = readTold(path)
    rmSync(path, { force: true })
    const found = survey(this.#dir)
    must(found.refusal === undefined, 'wrong', () => found.refusal!.message)
    const end = found.end!.seq
    const first = this.#end
    if (told === undefined) {
      must(
        end === first,
        'invented',
        () => `a writer that had not begun moved the end from ${first} to ${end}`,
      )
    } else {
      const { start, done, underWay } = told
      must(
        start === first,
        start < first ? 'lost' : 'invented',
        () => `recovery ended at ${start}, not ${first}`,
      )
      must(end >= done, 'lost', () => `the log ends at ${end}, append returned for all below ${done}`)
      must(
        end <= underWay,
        'invented',
        () => `the log ends at ${end}, nothing from ${underWay} on was asked for`,
      )
      this.#lives.push({ life, start, end })
    }
    this.#end = end
    must(found.firstSeq >= this.#firstSeq, 'invented', () => `pruned messages are back: ${found.firstSeq}`)
    this.#firstSeq = found.firstSeq
    this.#checkMessages(found)
    return { messages: end - first, 'cut short by a kill': isCutShort(found) ? 1 : 0 }
  }

  /** Every message that is left is of the life that it should be of, byte for byte, and calls are whole. */
  #checkMessages({ messages, firstSeq }: Found): void {
    let epoch = 0
    for (const { life, start, end } of this.#lives) {
      let lived: number | undefined
      for (let seq = start; seq < end;) {
        const { size } = callOf(this.#seed, life, seq)
        must(seq + size <= end, 'lost', () => `a batch of ${size} at ${seq} is cut at ${end}`)
        for (let left = size - 1; left >= 0; left--, seq++) {
          if (seq < firstSeq) continue
          const message = messages[seq - firstSeq]
          must(message !== undefined, 'lost', () => `message ${seq} of ${firstSeq} to ${this.#end}`)
          lived ??= message.epoch
          this.#checkMessage(message, life, left)
          must(message.epoch === lived && lived > epoch, 'wrong', () => `${seq} has epoch ${message.epoch}`)
        }
      }
      epoch = lived ?? epoch
    }
  }

  #checkMessage(message: Message, life: number, left: number): void {
    const { seq, payload, type, batchRemaining } = message
    const text = textOf(this.#seed, life, seq)
    const same = payload.toString('latin1') === text && type === typeOf(this.#seed, life, seq)
    must(same, 'wrong', () => `${seq} of life ${life} holds ${payload.toString('latin1', 0, 100)}`)
    must(batchRemaining === left, 'wrong', () => `${seq} says ${batchRemaining} follow, not ${left}`)
  }

  #positionOf(name: string): number {
    try {
      return readPosition(this.#dir, name, readControl(join(this.#dir, 'control')).id).nextSeq
    } catch (error) {
      if (error instanceof Refusal) throw new Violation('position', `${name}: ${error.message}`)
      throw error
    }
  }

  /** Looks at the position of a named reader whose process may run, or was killed. Returns what was seen. */
  afterCommitter(name: string): Readonly<Record<string, number>> {
    const before = readTold(this.told(`reader-${name}`))
    if (!readerNames(this.#dir).includes(name)) {
      must(before === undefined && !this.#positions.has(name), 'position', () => `${name} is gone`)
      return {}
    }
    const nextSeq = this.#positionOf(name)
    const after = readTold(this.told(`reader-${name}`))
    const known = this.#positions.get(name)
    const least = Math.max(before?.done ?? 0, known?.seq ?? 0)
    must(nextSeq >= least, 'position', () => `${name} is at ${nextSeq}, it has committed ${least}`)
    // One that has told nothing yet stands where it was, or, where it is new or met a gap, at a message that is there.
    const most = Math.max(least, this.#firstSeq, after?.underWay ?? known?.seq ?? this.#end)
    must(nextSeq <= most, 'position', () => `${name} is at ${nextSeq}, it has read to ${most}`)
    // From the moment that the reader is there, a prune keeps what it has still to read. While it was made, one may have run.
    const kept = Math.max(nextSeq, known?.firstSeq ?? this.#firstSeq)
    must(this.#firstSeq <= kept, 'lost', () => `${name} is at ${nextSeq}, pruned to ${this.#firstSeq}`)
    this.#positions.set(name, { seq: nextSeq, firstSeq: this.#firstSeq })
    return { 'messages committed': nextSeq - (known?.seq ?? nextSeq) }
  }
}

/** Whether bytes that nobody has published stand behind the end. */
function isCutShort({ end }: Found): boolean {
  const { path, offset } = end!
  return readFileSync(path)
    .subarray(offset)
    .some((byte) => byte !== 0)
}

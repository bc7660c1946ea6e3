import { invalidArgument } from './errors.ts'
import type { Decoding } from './value.ts'

/** Words of an entry in the table that native `poll` fills. */
export const ENTRY_WORDS = 8
/** What stands in an entry, by word. */
export const OFFSET = 0
export const LENGTH = 1
export const TYPE = 2
export const BATCH_REMAINING = 3
export const TIMESTAMP_LOW = 4
export const TIMESTAMP_HIGH = 5
const SEQ_LOW = 6
const SEQ_HIGH = 7

const WORD = 2 ** 32

/** What `toString` of a Buffer calls once it has looked at its arguments: a seventh of the time for short texts. */
interface Sliced extends Buffer {
  utf8Slice?(start: number, end: number): string
}

/** Messages that were copied out together: their payloads in one slab, and the table that says where. */
export class Run {
  readonly table: Uint32Array
  /** Starts where its buffer does. */
  readonly slab: Uint8Array
  /** The memory of the slab: asking a typed array for it costs more than all the rest of making a view. */
  readonly buffer: ArrayBufferLike
  /** Says that the messages up to and with a seq are handled; only where the reader has a name. */
  readonly commit: ((seq: number) => void) | undefined
  /** How the messages become values; none where the payloads are the values. */
  readonly decoding: Decoding | undefined
  /** The values that were asked for, by place in the table. */
  values: unknown[] | undefined
  /** The seq of the first message. */
  first = 0
  /** From the seq of a message to that of the next: 1, and -1 in a run that goes backward. */
  readonly step: number
  #text: Sliced | undefined

  constructor(
    table: Uint32Array,
    slab: Uint8Array,
    backward: boolean,
    commit?: (seq: number) => void,
    decoding?: Decoding,
  ) {
    this.table = table
    this.slab = slab
    this.buffer = slab.buffer
    this.commit = commit
    this.decoding = decoding
    this.values = undefined
    this.step = backward ? -1 : 1
  }

  /** To be called once the table holds messages: they follow one another, so the first seq tells all. */
  begin(): void {
    this.first = this.table[SEQ_HIGH]! * WORD + this.table[SEQ_LOW]!
    this.values = undefined
  }

  /** A part of the slab as text. */
  decode(start: number, end: number): string {
    const text = (this.#text ??= Buffer.from(this.buffer) as Sliced)
    return text.utf8Slice === undefined ? text.toString('utf8', start, end) : text.utf8Slice(start, end)
  }

  seq(at: number): number {
    return this.first + (at / ENTRY_WORDS) * this.step
  }

  /** How many of the first `count` messages come before the bound; in a run that goes backward, not before it. */
  within(bound: number | bigint, count: number): number {
    const backward = this.step < 0
    if (typeof bound === 'number') {
      const before = backward ? this.seq(0) - bound + 1 : bound - this.seq(0)
      return Math.min(count, Math.max(0, before))
    }
    let [low, high] = [0, count]
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.timestampNs(middle * ENTRY_WORDS) < bound === backward) high = middle
      else low = middle + 1
    }
    return low
  }

  timestampNs(at: number): bigint {
    return (BigInt(this.table[at + TIMESTAMP_HIGH]!) << 32n) | BigInt(this.table[at + TIMESTAMP_LOW]!)
  }
}

/** Where a cursor is that stands on no message: whoever looks is refused, and nobody else pays for a check. */
export const nowhere: Run = Object.defineProperties(
  Object.create(Run.prototype) as Run,
  Object.fromEntries(['table', 'first', 'commit', 'decoding'].map((name) => [name, { get: refuse }])),
)

function refuse(): never {
  throw invalidArgument('the cursor stands on no message: next() has not returned true')
}

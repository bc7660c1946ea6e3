import { invalidArgument, native, notNamed } from './errors.ts'
import { valueOf, type Decoding } from './value.ts'

/** Words of an entry in the table that native `poll` fills. */
export const ENTRY_WORDS = 8
const OFFSET = 0
const LENGTH = 1
const TYPE = 2
const BATCH_REMAINING = 3
const TIMESTAMP_LOW = 4
const TIMESTAMP_HIGH = 5
const SEQ_LOW = 6
const SEQ_HIGH = 7

const WORD = 2 ** 32

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
  /** Whether each message comes before the one in front of it in the log. */
  readonly #backward: boolean
  #first = 0
  #text: Buffer | undefined

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
    this.#backward = backward
  }

  /** To be called once the table holds messages: they follow one another, so the first seq tells all. */
  begin(): void {
    this.#first = this.table[SEQ_HIGH]! * WORD + this.table[SEQ_LOW]!
    this.values = undefined
  }

  /** The slab as a Buffer, whose decoder is the fastest for short texts. */
  get text(): Buffer {
    return (this.#text ??= Buffer.from(this.buffer))
  }

  seq(at: number): number {
    const behind = at / ENTRY_WORDS
    return this.#backward ? this.#first - behind : this.#first + behind
  }

  /** How many of the first `count` messages come before the bound; in a run that goes backward, not before it. */
  within(bound: number | bigint, count: number): number {
    const backward = this.#backward
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

/** Points a message at another entry, and of another run. Only the reading classes of this package do. */
export let place: (message: Message<unknown>, at: number) => void
export let enter: (message: Message<unknown>, run: Run) => void

/**
 * One message of the log. Everything but the place is computed when it is asked for, so what is not looked at costs nothing.
 *
 * @example
 * ```ts
 * import { Chronicle } from 'chronicle-log'
 *
 * using log = Chronicle.open('./orders')
 * log.append(JSON.stringify({ id: 7 }), { type: 1 })
 * for (const message of log.read({ from: -1 })) console.log(message.seq, message.type, message.json())
 * ```
 */
export class Message<T = Uint8Array> {
  #run: Run
  #at: number

  static {
    place = (message, at) => {
      message.#at = at
    }
    enter = (message, run) => {
      message.#run = run
    }
  }

  /** @internal */
  constructor(run: Run, at: number) {
    this.#run = run
    this.#at = at
  }

  /** The message's number: contiguous from 0 over the life of the chronicle. */
  get seq(): number {
    return this.#run.seq(this.#here())
  }

  /** The number that the writer gave as its type, 0 to 65,535; 0 when it gave none. */
  get type(): number {
    return this.#run.table[this.#here() + TYPE]!
  }

  /** When it was appended: whole milliseconds since the Unix epoch, rounded down. Never falls along the log. */
  get timestamp(): number {
    const at = this.#here()
    const { table } = this.#run
    // 2^32 ns are 4294 ms and 967296 ns: so split, every step is exact.
    const high = table[at + TIMESTAMP_HIGH]!
    return high * 4294 + Math.floor((high * 967_296 + table[at + TIMESTAMP_LOW]!) / 1_000_000)
  }

  /** When it was appended: nanoseconds since the Unix epoch. */
  get timestampNs(): bigint {
    return this.#run.timestampNs(this.#here())
  }

  /** Payload bytes. */
  get length(): number {
    return this.#run.table[this.#here() + LENGTH]!
  }

  /** How many messages of the same atomic batch still follow; 0 for the last, and for a message of no batch. */
  get batchRemaining(): number {
    return this.#run.table[this.#here() + BATCH_REMAINING]!
  }

  /**
   * The bytes: a new `Uint8Array` at each look, over memory that belongs to JavaScript. It stays as it is for as long as
   * it is held (a {@link Cursor}'s until its `next()`). Its `buffer` is shared with other messages: to send it to another
   * thread or to keep one small message for long, copy it with `slice()`. It starts at a multiple of 8 bytes, so a
   * `Float64Array` may stand over it.
   */
  get payload(): Uint8Array {
    const at = this.#here()
    const { buffer, table } = this.#run
    return new Uint8Array(buffer, table[at + OFFSET]!, table[at + LENGTH]!)
  }

  /** The payload as UTF-8 text. What is not valid UTF-8 becomes U+FFFD. */
  text(): string {
    const at = this.#here()
    const offset = this.#run.table[at + OFFSET]!
    return this.#run.text.toString('utf8', offset, offset + this.#run.table[at + LENGTH]!)
  }

  /**
   * The payload parsed as JSON.
   *
   * @throws SyntaxError when the payload is not JSON.
   */
  json<T = unknown>(): T {
    return JSON.parse(this.text()) as T
  }

  /**
   * What the codec of the chronicle makes of the payload, at the first look; {@link payload} where there is no codec. Throws the
   * same error at each look at a message that it cannot decode.
   *
   * @throws {@link ChronicleError} `ERR_CHRONICLE_INVALID_VALUE` with `seq`, and `issues` of a schema; `ERR_CHRONICLE_UNKNOWN_TYPE`.
   */
  get value(): T {
    const at = this.#here()
    return valueOf(this, this.#run, at / ENTRY_WORDS) as T
  }

  /**
   * The name of the message's type, where it was read through {@link Chronicle.types}; `undefined` elsewhere.
   *
   * @throws {@link ChronicleError} `ERR_CHRONICLE_UNKNOWN_TYPE` where the view does not have the type.
   */
  get name(): string | undefined {
    return this.#run.decoding?.nameOf(this)
  }

  /**
   * Says that this message and all before it are handled: a {@link Tail} of the same name will not get them again. The position
   * outlives the process at once, and a power cut once the tail is closed.
   *
   * @throws {@link ChronicleError} `ERR_CHRONICLE_INVALID_ARGUMENT` for a message of a reader without a name,
   * `ERR_CHRONICLE_CLOSED` when its tail is closed.
   */
  commit(): void {
    const at = this.#here()
    const { commit } = this.#run
    if (commit === undefined) throw notNamed()
    native(() => commit(this.#run.seq(at)))
  }

  /** What `console.log` shows. */
  [Symbol.for('nodejs.util.inspect.custom')](
    _depth: number,
    options: object,
    inspect: (value: object, options: object) => string,
  ): string {
    const name = this.constructor.name
    if (this.#at < 0) return `${name} {}`
    const { seq, type, timestamp, length } = this
    return `${name} ${inspect({ seq, type, timestamp: new Date(timestamp), length }, options)}`
  }

  #here(): number {
    if (this.#at < 0) throw invalidArgument('the cursor stands on no message: next() has not returned true')
    return this.#at
  }
}

import { native, notNamed } from './errors.ts'
import {
  BATCH_REMAINING,
  ENTRY_WORDS,
  LENGTH,
  OFFSET,
  TIMESTAMP_HIGH,
  TIMESTAMP_LOW,
  TYPE,
  nowhere,
  type Run,
} from './run.ts'
import { valueOf } from './value.ts'

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
    const run = this.#run
    return run.first + (this.#at / ENTRY_WORDS) * run.step
  }

  /** The number that the writer gave as its type, 0 to 65,535; 0 when it gave none. */
  get type(): number {
    return this.#run.table[this.#at + TYPE]!
  }

  /** When it was appended: whole milliseconds since the Unix epoch, rounded down. Never falls along the log. */
  get timestamp(): number {
    const at = this.#at
    const { table } = this.#run
    // 2^32 ns are 4294 ms and 967296 ns: so split, every step is exact.
    const high = table[at + TIMESTAMP_HIGH]!
    return high * 4294 + Math.floor((high * 967_296 + table[at + TIMESTAMP_LOW]!) / 1_000_000)
  }

  /** When it was appended: nanoseconds since the Unix epoch. */
  get timestampNs(): bigint {
    return this.#run.timestampNs(this.#at)
  }

  /** Payload bytes. */
  get length(): number {
    return this.#run.table[this.#at + LENGTH]!
  }

  /** How many messages of the same atomic batch still follow; 0 for the last, and for a message of no batch. */
  get batchRemaining(): number {
    return this.#run.table[this.#at + BATCH_REMAINING]!
  }

  /**
   * The bytes: a new `Uint8Array` at each look, over memory that belongs to JavaScript. It stays as it is for as long as
   * it is held (a {@link Cursor}'s until its `next()`). Its `buffer` is shared with other messages: to send it to another
   * thread or to keep one small message for long, copy it with `slice()`. It starts at a multiple of 8 bytes, so a
   * `Float64Array` may stand over it.
   */
  get payload(): Uint8Array {
    const at = this.#at
    const { buffer, table } = this.#run
    return new Uint8Array(buffer, table[at + OFFSET]!, table[at + LENGTH]!)
  }

  /** The payload as UTF-8 text. What is not valid UTF-8 becomes U+FFFD. */
  text(): string {
    const at = this.#at
    const offset = this.#run.table[at + OFFSET]!
    return this.#run.decode(offset, offset + this.#run.table[at + LENGTH]!)
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
    const at = this.#at
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
    const at = this.#at
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
    if (this.#run === nowhere) return `${name} {}`
    const { seq, type, timestamp, length } = this
    return `${name} ${inspect({ seq, type, timestamp: new Date(timestamp), length }, options)}`
  }
}

import { setImmediate as nextTurn } from 'node:timers/promises'

import { checked, refuse, signal, type Check } from './checks.ts'
import { aborted, invalidArgument } from './errors.ts'
import { Lane, endSource, unheard, type Failure, type Key, type Source, type Timed } from './lane.ts'

/** How long messages that are there are handed out before other work of the event loop gets its turn. */
const TURN_MS = 5
/** How many turns of the microtask queue a source gets before a timer is set for it. */
const TICKS = 4
/** The longest time that a timer can take. */
const MAX_MS = 2 ** 31 - 1

/** Options of {@link merge}. */
export interface MergeOptions<M> {
  /**
   * What messages are compared by, the smallest first: their time, or a number or a bigint of your own, which must not fall along
   * a source. Default: `'timestamp'`.
   */
  by?: 'timestamp' | ((message: M) => number | bigint) | undefined
  /**
   * How old, in milliseconds, a message has to be before it is handed out although a source has nothing to compare it with: 0 to
   * 2,147,483,647, or `Infinity`, to wait for every source always. Default: `10`.
   */
  holdMs?: number | undefined
  /** Ends the merge and all sources: the iteration throws `ERR_CHRONICLE_ABORTED`, named "AbortError". */
  signal?: AbortSignal | undefined
}

/** A message that {@link merge} hands out. */
export interface Merged<M> {
  /** The message. */
  message: M
  /** The index of its source in the array that was given. */
  source: number
  /** Whether a message that comes behind it in the order was handed out before: its source was slower than `holdMs`. */
  late: boolean
}

function by<M>(value: unknown, name: string): 'timestamp' | ((message: M) => Key) {
  if (value === 'timestamp') return value
  return typeof value === 'function'
    ? (value as (message: M) => Key)
    : refuse(name, `'timestamp' or a function of a message`, value)
}

function holdMs(value: unknown, name: string): number {
  const fits = typeof value === 'number' && ((value >= 0 && value <= MAX_MS) || value === Infinity)
  return fits ? value : refuse(name, `a number from 0 to ${MAX_MS}, or Infinity`, value)
}

const table = { by, holdMs, signal } satisfies Record<string, Check>

/** The messages of a source. */
export type MessageOf<S> = S extends Iterable<infer M> | AsyncIterable<infer M> ? M : never

/**
 * Merges sources of messages into one, in the order of their time: `log.read()`, which ends, and `log.tail()`, which goes on, of any
 * logs, and other iterables. Messages of one key come in the order of the sources.
 *
 * - **Each source's own order is kept**, and no message is dropped or comes twice.
 * - **Sources that are always ready** (reads, arrays) come out in one total order.
 * - **A source that has nothing** (a tail at the head of its log) holds the others up until their next message is `holdMs` old, by
 *   its own timestamp, and no longer: so a quiet source costs `holdMs` of delay, and what was appended earlier than that costs none.
 *   Messages that are known within `holdMs` of their time, as those of logs on one host are, come out in one total order too.
 * - **What comes too late for its place** is handed out at once, with `late: true`: nothing is reordered silently. With
 *   `holdMs: Infinity` nothing is late, and every source holds the others up until it has a message or ends.
 *
 * The merge ends with the last source. Leaving the loop, `close()`, the signal and an error of one source close all of them; the error
 * is thrown. A source that owes a message then is told to end and not waited for. A merge that is not iterated asks no source for
 * anything. While it waits it does not keep the process alive unless a source does.
 *
 * @param sources - Iterables and async iterables of messages.
 * @throws {@link ChronicleError} `ERR_CHRONICLE_INVALID_ARGUMENT`.
 *
 * @example
 * ```ts
 * import { Chronicle, merge } from 'chronicle-log'
 *
 * using orders = Chronicle.open('./orders')
 * using payments = Chronicle.open('./payments')
 * orders.append('order 7')
 * payments.append('paid 7')
 * for await (const { message, source } of merge([orders.read(), payments.read()])) {
 *   console.log(['orders', 'payments'][source], message.text())
 * }
 * ```
 */
export function merge<const S extends readonly Source<Timed>[]>(
  sources: S,
  options?: MergeOptions<MessageOf<S[number]>>,
): Merge<MessageOf<S[number]>> {
  return new Merge(sources as readonly Source<MessageOf<S[number]>>[], options)
}

/**
 * Messages of several sources in one order: what {@link merge} returns.
 *
 * It ends when all sources have ended, the loop is left, `close()` is called or the signal is aborted, and closes all sources then.
 */
export class Merge<M extends Timed> implements AsyncIterableIterator<Merged<M>, undefined> {
  readonly #sources: readonly Source<M>[]
  readonly #keyOf: (message: M) => Key
  readonly #holdMs: number
  readonly #signal: AbortSignal | undefined
  readonly #interrupt = () => this.#fail(aborted(this.#signal?.reason))
  readonly #told = (failure?: Failure) => {
    if (failure !== undefined) this.#fail(failure.error)
    this.#heard = true
    this.#wake?.()
  }
  #lanes: Lane<M>[] | undefined
  #failure: Failure | undefined
  #closed = false
  #ending: Promise<void> | undefined
  #last: Key | undefined
  /** Whether a source has answered, one that was quiet too, since the sources were last compared. */
  #heard = false
  #wake: (() => void) | undefined
  #turnEnds = 0
  #pending: Promise<unknown> = Promise.resolve()

  /** @internal */
  constructor(sources: readonly Source<M>[], options?: MergeOptions<M>) {
    const { by: order = 'timestamp', holdMs: hold = 10, signal: abort } = checked(options, table, 'merge')
    if (!Array.isArray(sources)) throw invalidArgument('sources must be an array')
    for (const [index, source] of sources.entries()) checkSource(source, `sources[${index}]`)
    this.#sources = [...sources]
    this.#keyOf = order === 'timestamp' ? (message) => message.timestampNs : keyBy(order)
    this.#holdMs = hold
    this.#signal = abort
    if (abort?.aborted === true) this.#interrupt()
    else abort?.addEventListener('abort', this.#interrupt)
  }

  /**
   * The next message, once it is known which one that is.
   *
   * @throws {@link ChronicleError} (as a rejection) `ERR_CHRONICLE_ABORTED`, and whatever a source throws: the others are closed then.
   */
  next(): Promise<IteratorResult<Merged<M>, undefined>> {
    const step = this.#pending.then(() => this.#step())
    this.#pending = step.catch(() => undefined)
    return step
  }

  /** Ends the merge and all sources: `for await` does so when the loop is left. */
  async return(): Promise<IteratorResult<Merged<M>, undefined>> {
    await this.#end()
    return { value: undefined, done: true }
  }

  /** Ends the merge and all sources: a waiting `next()` resolves as done. A second call does nothing. */
  async close(): Promise<void> {
    await this.#end()
  }

  /** This merge. */
  [Symbol.asyncIterator](): this {
    return this
  }

  /** {@link close}, at the end of an `await using` block. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end()
  }

  async #step(): Promise<IteratorResult<Merged<M>, undefined>> {
    try {
      const next = await this.#choose()
      if (next !== undefined) return { value: next, done: false }
    } catch (error) {
      this.#fail(error)
    }
    const failure = this.#failure
    this.#failure = undefined
    try {
      await this.#end()
    } catch (error) {
      // What the sources throw at their end may come of the first failure.
      if (failure === undefined) throw error
    }
    if (failure !== undefined) throw failure.error
    return { value: undefined, done: true }
  }

  /** The next message in order; none at the end. */
  async #choose(): Promise<Merged<M> | undefined> {
    if (performance.now() >= this.#turnEnds) {
      // Two, so that what other threads and processes have told meanwhile is heard.
      await nextTurn()
      await nextTurn()
      this.#turnEnds = performance.now() + TURN_MS
    }
    for (;;) {
      if (this.#closed || this.#failure !== undefined) return undefined
      const lanes = (this.#lanes ??= this.#open())
      for (const lane of lanes) if (lane.head === undefined && !lane.asked && !lane.done) lane.ask(this.#told)
      const first = smallest(lanes)
      const waited = lanes.filter((lane) => lane.asked && !lane.quiet)
      if (first === undefined && lanes.every(({ done }) => done)) return undefined
      if (first !== undefined && this.#mayGo(first, lanes, waited)) return this.#take(lanes, first)
      await this.#change(first, waited)
    }
  }

  #open(): Lane<M>[] {
    const lanes: Lane<M>[] = []
    this.#lanes = lanes
    for (const source of this.#sources) lanes.push(new Lane(source, this.#keyOf))
    return lanes
  }

  /** Whether nothing that is to be waited for can come before the head of `first`. */
  #mayGo(first: Lane<M>, lanes: readonly Lane<M>[], waited: readonly Lane<M>[]): boolean {
    if (waited.length > 0) return false
    return lanes.every(({ asked }) => !asked) || this.#held(first) <= 0
  }

  /** For how many milliseconds more a head is held. A time to come says nothing: the clock has gone back. */
  #held({ head }: Lane<M>): number {
    const age = Date.now() - head!.message.timestamp
    return age < 0 && this.#holdMs < Infinity ? 0 : this.#holdMs - age
  }

  #take(lanes: readonly Lane<M>[], lane: Lane<M>): Merged<M> {
    const { message, key } = lane.head!
    lane.head = undefined
    const late = this.#last !== undefined && key < this.#last
    if (!late) this.#last = key
    return { message, source: lanes.indexOf(lane), late }
  }

  /**
   * Waits until a source answers. With a message at hand, no longer than it is to be held; sources that have answered by then are compared,
   * and the others are quiet. At least two turns of the event loop: what is there already has come then.
   */
  async #change(first: Lane<M> | undefined, waited: readonly Lane<M>[]): Promise<void> {
    this.#heard = false
    // What a tail has read already comes within these: a timer would cost more than all the rest.
    for (let tick = 0; tick < TICKS && waited.length > 0; tick++) {
      await undefined
      if (this.#heard) return
    }
    if (this.#closed) return
    let timer: NodeJS.Timeout | undefined
    let turn: NodeJS.Immediate | undefined
    await new Promise<void>((resolve) => {
      this.#wake = resolve
      if (first === undefined) return
      const held = this.#held(first)
      const over = () => {
        for (const lane of waited) lane.quiet = lane.asked
        resolve()
      }
      if (held > 0) {
        if (held <= MAX_MS) timer = setTimeout(over, Math.ceil(held))
      } else turn = setImmediate(() => (turn = setImmediate(over)))
    })
    this.#wake = undefined
    clearTimeout(timer)
    clearImmediate(turn)
  }

  /** The first failure is the one that is thrown; all that follow come of it. */
  #fail(thrown: unknown): void {
    if (this.#closed) return
    this.#failure ??= { error: thrown }
    // At once, though nobody may ask for a message any more. Who does gets the failure, and what this throws is behind it.
    void unheard(this.#end())
  }

  #end(): Promise<void> {
    this.#closed = true
    this.#ending ??= this.#endSources()
    return this.#ending
  }

  async #endSources(): Promise<void> {
    this.#signal?.removeEventListener('abort', this.#interrupt)
    this.#wake?.()
    const lanes = this.#lanes ?? []
    const endings = [
      ...lanes.map((lane) => lane.end()),
      ...this.#sources.slice(lanes.length).map((source) => endSource(source)),
    ]
    const failed = (await Promise.allSettled(endings)).find(({ status }) => status === 'rejected')
    if (failed !== undefined) throw (failed as PromiseRejectedResult).reason
  }
}

function smallest<M>(lanes: readonly Lane<M>[]): Lane<M> | undefined {
  let first: Lane<M> | undefined
  for (const lane of lanes) {
    if (lane.head !== undefined && (first === undefined || lane.head.key < first.head!.key)) first = lane
  }
  return first
}

function keyBy<M>(order: (message: M) => Key): (message: M) => Key {
  return (message) => {
    const key = order(message)
    const fits = typeof key === 'bigint' || (typeof key === 'number' && !Number.isNaN(key))
    return fits ? key : refuse('what by returns', 'a number or a bigint', key)
  }
}

function checkSource(value: unknown, name: string): void {
  const fits =
    typeof value === 'object' && value !== null && (Symbol.asyncIterator in value || Symbol.iterator in value)
  if (!fits) refuse(name, 'an iterable or an async iterable', value)
}

import type { NativeFrom } from './checks.ts'
import { told, type OnCorruption } from './corruption.ts'
import { invalidArgument } from './errors.ts'
import { Message } from './message.ts'
import { ENTRY_WORDS, type Run } from './run.ts'
import { Source, type Home } from './source.ts'

/** The part of the log that is read, and how. */
export interface Range {
  from?: NativeFrom | undefined
  to?: number | bigint | undefined
  limit?: number | undefined
  durableOnly?: boolean | undefined
  onCorruption?: OnCorruption | undefined
  reverse?: boolean | undefined
  payload?: 'copy' | 'view' | undefined
}

/** What a range is read from. */
export function sourceOf(home: Home, range: Range): Source {
  const { from = 'start', to, limit, durableOnly = false, reverse = false, payload } = range
  const views = payload === 'view'
  const onSkipped = told(range.onCorruption)
  if (!reverse) {
    const bounds = { until: to, limit, onSkipped }
    return new Source(home, home.reader(from, durableOnly), bounds, { kind: 'forward', views })
  }
  if (onSkipped !== undefined) throw invalidArgument(`onCorruption must be 'throw' with reverse`)
  const until = lowest(home, from)
  const mustReach = typeof from === 'number' && from >= 0 ? from : undefined
  // What comes before the first message is empty; a place there is none.
  const start = typeof to === 'number' ? Math.max(to, home.firstSeq) : (to ?? 'end')
  const reader = home.reader(start, durableOnly)
  return new Source(home, reader, { until, limit, mustReach }, { kind: 'backward', views })
}

/** The first seq or time of a range that is read backward. */
function lowest(home: Home, from: NativeFrom): number | bigint {
  if (from === 'start') return 0
  if (from === 'end') return home.nextSeq
  if (typeof from === 'number' && from < 0) return home.nextSeq + from
  return from
}

/**
 * A part of the log to iterate over, any number of times: each iteration starts anew at `from` and ends at the head.
 *
 * @example
 * ```ts
 * import { Chronicle } from 'chronicle-log'
 *
 * using log = Chronicle.open('./orders')
 * log.appendBatch(['a', 'b', 'c'])
 * for (const message of log.read({ from: -2 })) console.log(message.seq, message.text())
 * ```
 */
export class Reader<M = Message> implements Iterable<M> {
  readonly #home: Home
  readonly #range: Range

  /** @internal */
  constructor(home: Home, range: Range) {
    this.#home = home
    this.#range = range
  }

  /**
   * Starts reading. What is appended while the iteration goes on is read too.
   *
   * @throws {@link ChronicleError} here and from `next()`, for damaged files, a pruned start and a closed chronicle.
   */
  [Symbol.iterator](): MessageIterator<M> {
    return new MessageIterator(sourceOf(this.#home, this.#range), this.#home)
  }
}

/** Walks the messages of a {@link Reader}. Each message stays valid for as long as it is held. */
export class MessageIterator<M = Message> implements IterableIterator<M, undefined> {
  readonly #source: Source
  readonly #home: Home
  #run: Run
  #at = 0
  #end = 0
  #done = false

  /** @internal */
  constructor(source: Source, home: Home) {
    this.#source = source
    this.#home = home
    this.#run = source.run
  }

  /**
   * The next message, until the end of the range or the head of the log.
   *
   * @throws {@link ChronicleError}
   */
  next(): IteratorResult<M, undefined> {
    const at = this.#at
    if (at < this.#end && !this.#home.closed) {
      this.#at = at + ENTRY_WORDS
      return { value: new Message(this.#run, at) as M, done: false }
    }
    return this.#refill()
  }

  /** Ends the iteration: `for…of` does so when the loop is left early. */
  return(): IteratorResult<M, undefined> {
    this.#finish()
    return { value: undefined, done: true }
  }

  /** This iterator. */
  [Symbol.iterator](): this {
    return this
  }

  /** Ends the iteration. */
  [Symbol.dispose](): void {
    this.#finish()
  }

  #refill(): IteratorResult<M, undefined> {
    if (this.#done) return { value: undefined, done: true }
    const count = this.#source.fetch()
    if (count === 0) return this.return()
    this.#run = this.#source.keep(count)
    this.#at = ENTRY_WORDS
    this.#end = count * ENTRY_WORDS
    return { value: new Message(this.#run, 0) as M, done: false }
  }

  #finish(): void {
    if (this.#done) return
    this.#done = true
    this.#end = 0
    this.#source.close()
  }
}

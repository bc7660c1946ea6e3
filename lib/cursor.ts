import { Message, enter, place } from './message.ts'
import type { NextOptions } from './options.ts'
import { sourceOf, type Range } from './reader.ts'
import { ENTRY_WORDS, nowhere } from './run.ts'
import type { Home, Source } from './source.ts'
import { closed } from './errors.ts'
import { check } from './tables.ts'

// Through the exports of a module a function is looked up again at each call.
const stand = place

/** The longest that native code blocks at a stretch: a worker that is terminated ends no later than this. */
const WAIT_SLICE_MS = 50

/**
 * The fastest way to read: one object that stands on one message after the other, without an allocation for each.
 *
 * The payload of a cursor is valid until its `next()`, because the memory behind it is used again.
 *
 * @example
 * ```ts
 * import { Chronicle } from 'chronicle-log'
 *
 * using log = Chronicle.open('./orders')
 * log.append('hello')
 * using cursor = log.cursor()
 * let bytes = 0
 * while (cursor.next()) bytes += cursor.length
 * ```
 */
export class Cursor<T = Uint8Array> extends Message<T> {
  readonly #source: Source
  readonly #home: Home
  #next = 0
  #end = 0
  #closed = false

  /** @internal */
  constructor(home: Home, range: Range) {
    const source = sourceOf(home, range)
    super(nowhere, 0)
    this.#source = source
    this.#home = home
  }

  /** Whether the cursor, or its chronicle, was closed. */
  get closed(): boolean {
    return this.#closed || this.#home.closed
  }

  /**
   * Steps to the next message. Returns false at the end of the range and at the head of the log, where a later call goes on
   * when there is more. With `wait` it blocks this thread at the head until there is a message or the time is over: use that
   * in a worker.
   *
   * @throws {@link ChronicleError} for damaged files, after `close()`, and when the chronicle was closed.
   */
  next(options?: NextOptions): boolean {
    const at = this.#next
    if (at < this.#end && !this.#home.closed) {
      this.#next = at + ENTRY_WORDS
      stand(this, at)
      return true
    }
    return this.#refill(options)
  }

  /** Ends reading and gives the mapped memory back. A second call does nothing. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#leave()
    this.#source.close()
  }

  /** {@link close}, at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.close()
  }

  #refill(options: NextOptions | undefined): boolean {
    const { wait = 0 } = check('next', options)
    if (this.#closed) throw closed('cursor')
    this.#leave()
    let count = this.#source.fetch()
    if (count === 0 && wait > 0) count = this.#await(performance.now() + wait)
    if (count === 0) return false
    this.#next = ENTRY_WORDS
    this.#end = count * ENTRY_WORDS
    enter(this, this.#source.run)
    stand(this, 0)
    return true
  }

  #await(deadline: number): number {
    while (!this.#source.exhausted) {
      const left = deadline - performance.now()
      if (left <= 0) return 0
      if (this.#source.wait(Math.min(left, WAIT_SLICE_MS))) {
        const count = this.#source.fetch()
        if (count > 0) return count
      }
    }
    return 0
  }

  #leave(): void {
    this.#next = 0
    this.#end = 0
    enter(this, nowhere)
  }
}

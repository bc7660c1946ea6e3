/** What {@link merge} needs to know of a message. */
export interface Timed {
  /** Milliseconds since the Unix epoch: how long the message is held. */
  readonly timestamp: number
  /** Nanoseconds since the Unix epoch. */
  readonly timestampNs: bigint
}

/** What can be merged: logs that are read or followed, and anything else that yields messages in their order. */
export type Source<M> = Iterable<M> | AsyncIterable<M>

/** What messages are compared by. */
export type Key = number | bigint

/** What a failed answer says. */
export interface Failure {
  readonly error: unknown
}

/** One source of a merge, and the message of it that comes next. */
export class Lane<M> {
  /** The next message; `undefined` as long as it is not known. */
  head: { readonly message: M; readonly key: Key } | undefined
  /** Whether it was asked for the next message and has not answered. */
  asked = false
  /** Whether it has not answered for long enough to go on without it. */
  quiet = false
  done = false
  readonly #iterator: Iterator<M> | AsyncIterator<M>
  readonly #keyOf: (message: M) => Key

  constructor(source: Source<M>, keyOf: (message: M) => Key) {
    this.#iterator =
      Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]()
    this.#keyOf = keyOf
  }

  /** Asks for the next message. Calls `told` when the answer comes, unless it is there at once. */
  ask(told: (failure?: Failure) => void): void {
    const answer = this.#iterator.next()
    if (isPromise(answer)) {
      this.asked = true
      void this.#hear(answer, told)
    } else this.#take(answer)
  }

  /** Ends the source. One that owes an answer is told to end and not waited for: it may be asleep for ever. */
  async end(): Promise<void> {
    if (this.done) return
    this.done = true
    const ending = this.#iterator.return?.()
    if (!this.asked) await ending
    else if (isPromise(ending)) void unheard(ending)
  }

  async #hear(answer: Promise<IteratorResult<M>>, told: (failure?: Failure) => void): Promise<void> {
    try {
      const result = await answer
      this.asked = false
      this.quiet = false
      this.#take(result)
    } catch (error) {
      // A source that has failed has ended; one whose message cannot be compared has not.
      this.done ||= this.asked
      this.asked = false
      told({ error })
      return
    }
    told()
  }

  #take(result: IteratorResult<M>): void {
    if (result.done === true) this.done = true
    else this.head = { message: result.value, key: this.#keyOf(result.value) }
  }
}

/** Ends a source that was not asked for an iterator. One that is an iterator itself, as a tail is, holds something already. */
export async function endSource(source: object): Promise<void> {
  if ('return' in source && typeof source.return === 'function') await source.return()
}

/** What comes of it is nobody's any more. */
export async function unheard(ending: Promise<unknown>): Promise<void> {
  await Promise.allSettled([ending])
}

function isPromise<T>(value: T | Promise<T> | undefined): value is Promise<T> {
  return typeof value === 'object' && value !== null && 'then' in value
}

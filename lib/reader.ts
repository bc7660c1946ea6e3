import { closed, fromNative, native } from './errors.ts'
import { ENTRY_WORDS, Message, Run } from './message.ts'
import type { NativeReader } from './native.ts'
import type { NativeFrom } from './options.ts'

/** Bytes of the slab that a run is copied to, and messages in its table. A larger payload gets a slab of its own. */
const SLAB_BYTES = 64 << 10
const RUN_LENGTH = 1024

/** What a reading object knows of the chronicle that it reads. */
export interface Home {
  /** Whether the chronicle was closed. */
  readonly closed: boolean
  /** A native reader that starts at `from`. */
  reader(from: NativeFrom): NativeReader
}

/** The part of the log that is read. */
export interface Range {
  from?: NativeFrom | undefined
  to?: number | bigint | undefined
  limit?: number | undefined
}

function emptyRun(): Run {
  return new Run(new Uint32Array(RUN_LENGTH * ENTRY_WORDS), new Uint8Array(SLAB_BYTES))
}

/** Fetches runs of messages within a range, into memory that is used again by the next fetch. */
export class Source {
  /** The run that was fetched last. */
  run: Run
  readonly #home: Home
  readonly #native: NativeReader
  readonly #poll: (slab: Uint8Array, table: Uint32Array) => number
  readonly #to: number | bigint | undefined
  #kept: Run
  #left: number

  constructor(home: Home, range: Range, start: NativeFrom) {
    this.#home = home
    this.#native = home.reader(range.from ?? start)
    this.#poll = native(() => this.#native.poll())
    this.#to = range.to
    this.#left = range.limit ?? Infinity
    this.#kept = emptyRun()
    this.run = this.#kept
  }

  /** Whether the range has no more messages, however long one waits. */
  get exhausted(): boolean {
    return this.#left <= 0
  }

  /** Fetches the next messages of the range into {@link run} and returns how many; 0 at its end and at the head. */
  fetch(): number {
    if (this.#home.closed) {
      this.close()
      throw closed('chronicle')
    }
    if (this.#left <= 0) return 0
    // A program may have transferred the memory of a cursor's payload to another thread.
    if (this.#kept.slab.length === 0) this.#kept = emptyRun()
    let { table, slab } = this.#kept
    if (this.#left < RUN_LENGTH) table = table.subarray(0, this.#left * ENTRY_WORDS)
    this.run = this.#kept
    try {
      let count = this.#poll(slab, table)
      if (count < 0) {
        slab = new Uint8Array(-count)
        table = new Uint32Array(ENTRY_WORDS)
        this.run = new Run(table, slab)
        count = this.#poll(slab, table)
      }
      return this.#within(count)
    } catch (error) {
      throw fromNative(error)
    }
  }

  /** The run that was fetched, in memory that no later fetch touches. */
  keep(count: number): Run {
    const { run } = this
    if (run !== this.#kept) return run
    const last = (count - 1) * ENTRY_WORDS
    const bytes = run.table[last]! + run.table[last + 1]!
    if (bytes > SLAB_BYTES / 2) {
      // Giving a full slab away costs less than copying it.
      this.#kept = emptyRun()
      return run
    }
    return new Run(run.table.slice(0, count * ENTRY_WORDS), run.slab.slice(0, bytes))
  }

  /** Blocks this thread until there is a message to fetch, or `ms` are over. */
  wait(ms: number): boolean {
    return native(() => this.#native.wait(ms))
  }

  close(): void {
    this.#left = 0
    native(() => this.#native.close())
  }

  #within(count: number): number {
    if (count === 0) return 0
    const inside = this.#to === undefined ? count : this.run.before(this.#to, count)
    this.#left = inside < count ? 0 : this.#left - inside
    return inside
  }
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
export class Reader implements Iterable<Message> {
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
  [Symbol.iterator](): MessageIterator {
    return new MessageIterator(new Source(this.#home, this.#range, 'start'), this.#home)
  }
}

/** Walks the messages of a {@link Reader}. Each message stays valid for as long as it is held. */
export class MessageIterator implements IterableIterator<Message, undefined> {
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
  next(): IteratorResult<Message, undefined> {
    const at = this.#at
    if (at < this.#end && !this.#home.closed) {
      this.#at = at + ENTRY_WORDS
      return { value: new Message(this.#run, at), done: false }
    }
    return this.#refill()
  }

  /** Ends the iteration: `for…of` does so when the loop is left early. */
  return(): IteratorResult<Message, undefined> {
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

  #refill(): IteratorResult<Message, undefined> {
    if (this.#done) return { value: undefined, done: true }
    const count = this.#source.fetch()
    if (count === 0) return this.return()
    this.#run = this.#source.keep(count)
    this.#at = ENTRY_WORDS
    this.#end = count * ENTRY_WORDS
    return { value: new Message(this.#run, 0), done: false }
  }

  #finish(): void {
    if (this.#done) return
    this.#done = true
    this.#end = 0
    this.#source.close()
  }
}

import { closed, fromNative, native, notNamed } from './errors.ts'
import { ENTRY_WORDS, Run } from './message.ts'
import type { NativeReader } from './native.ts'
import type { NativeFrom } from './options.ts'
import type { Decoding } from './value.ts'

/** Bytes of the slab that a run is copied to, and messages in its table. A larger payload gets a slab of its own. */
const SLAB_BYTES = 64 << 10
const RUN_LENGTH = 1024

/** What a reading object knows of the chronicle that it reads. */
export interface Home {
  /** Whether the chronicle was closed. */
  readonly closed: boolean
  /** How messages become values; none where payloads are the values. */
  readonly decoding: Decoding | undefined
  /** The first seq that is left. */
  readonly firstSeq: number
  /** The seq that the next message gets. */
  readonly nextSeq: number
  /** A native reader that starts at `from`. */
  reader(from: NativeFrom, durableOnly: boolean): NativeReader
  /** The native reader of a name; one that is new starts at `newFrom`. */
  namedReader(name: string, newFrom: NativeFrom, durableOnly: boolean): NativeReader
}

/** How far a source goes. */
export interface Bounds {
  /** Backward: the seq that must be there when the source gets to it; what was pruned before is a gap. */
  mustReach?: number | undefined
  /** Forward: the first seq or time that is not read any more. Backward: the first that still is. */
  until?: number | bigint | undefined
  limit?: number | undefined
}

/** Fetches runs of messages within bounds, into memory that is used again by the next fetch. */
export class Source {
  /** The run that was fetched last. */
  run: Run
  readonly #home: Home
  readonly #native: NativeReader
  readonly #poll: (slab: Uint8Array, table: Uint32Array) => number
  readonly #backward: boolean
  readonly #until: number | bigint | undefined
  readonly #mustReach: number
  readonly #commit: ((seq: number) => void) | undefined
  #kept: Run
  #left: number

  constructor(home: Home, reader: NativeReader, bounds: Bounds, kind: 'forward' | 'backward' | 'named') {
    this.#home = home
    this.#native = reader
    this.#backward = kind === 'backward'
    this.#poll = native(() => (this.#backward ? reader.pollBack() : reader.poll()))
    this.#commit = kind === 'named' ? native(() => reader.commit()) : undefined
    this.#until = bounds.until
    this.#mustReach = bounds.mustReach ?? Infinity
    this.#left = bounds.limit ?? Infinity
    this.#kept = this.#newRun(new Uint32Array(RUN_LENGTH * ENTRY_WORDS), new Uint8Array(SLAB_BYTES))
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
    if (this.#kept.slab.length === 0) this.#kept = this.#newRun(this.#kept.table, new Uint8Array(SLAB_BYTES))
    let { table, slab } = this.#kept
    if (this.#left < RUN_LENGTH) table = table.subarray(0, this.#left * ENTRY_WORDS)
    this.run = this.#kept
    try {
      let count = this.#poll(slab, table)
      if (count < 0) {
        slab = new Uint8Array(-count)
        table = new Uint32Array(ENTRY_WORDS)
        this.run = this.#newRun(table, slab)
        count = this.#poll(slab, table)
      }
      if (count > 0) this.run.begin()
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
    const table = run.table.slice(0, count * ENTRY_WORDS)
    let { slab } = run
    if (bytes > SLAB_BYTES / 2) {
      // Giving a full slab away costs less than copying it, and zeroing what is behind the payloads less than all of the next one.
      this.#kept = this.#newRun(run.table, new Uint8Array(Buffer.allocUnsafeSlow(SLAB_BYTES).buffer))
      slab.fill(0, bytes)
    } else slab = slab.slice(0, bytes)
    const kept = this.#newRun(table, slab)
    kept.begin()
    return kept
  }

  /** Blocks this thread until there is a message to fetch, or `ms` are over. */
  wait(ms: number): boolean {
    return native(() => this.#native.wait(ms))
  }

  /** Says that all messages up to and with `seq` are handled. */
  commit(seq: number): void {
    if (this.#commit === undefined) throw notNamed()
    const commit = this.#commit
    native(() => commit(seq))
  }

  /** The seq that a reader of this name would start at now; none without a name. */
  get committed(): number | undefined {
    return native(() => this.#native.committed() ?? undefined)
  }

  /** The position that was found, where it lay behind the end of the log and was moved back to it. */
  get movedBackFrom(): number | undefined {
    return native(() => this.#native.movedBackFrom() ?? undefined)
  }

  close(): void {
    this.#left = 0
    native(() => this.#native.close())
  }

  #newRun(table: Uint32Array, slab: Uint8Array): Run {
    return new Run(table, slab, this.#backward, this.#commit, this.#home.decoding)
  }

  /** Whether the range ends with the last message of the run, backward: what is pruned behind it is not missed. */
  #isLast(count: number): boolean {
    return this.#backward && this.run.seq((count - 1) * ENTRY_WORDS) === this.#until
  }

  #within(count: number): number {
    if (count === 0) {
      if (this.#mustReach < this.#home.firstSeq) this.#home.reader(this.#mustReach, false)
      return 0
    }
    const inside = this.#until === undefined ? count : this.run.within(this.#until, count)
    this.#left = inside < count || this.#isLast(count) ? 0 : this.#left - inside
    return inside
  }
}

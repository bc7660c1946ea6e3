import type { NativeFrom } from './checks.ts'
import type { Skipped } from './corruption.ts'
import { ChronicleError, closed, fromNative, native, notNamed } from './errors.ts'
import type { NativeReader } from './native.ts'
import { ENTRY_WORDS, Run } from './run.ts'
import { Copies, Views, type Runs } from './runs.ts'
import type { Decoding } from './value.ts'

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
  /** Forward: who is told of messages that cannot be read and are gone past; without it their error is thrown. */
  onSkipped?: ((skipped: Skipped) => void) | undefined
}

/** How a source reads. */
export interface Manner {
  kind: 'forward' | 'backward' | 'named'
  /** Whether payloads stay where they lie, where the runtime lets them. */
  views?: boolean | undefined
}

/** Fetches runs of messages within bounds, into memory that is used again by the next fetch. */
export class Source {
  readonly #home: Home
  readonly #native: NativeReader
  readonly #runs: Runs
  readonly #backward: boolean
  readonly #until: number | bigint | undefined
  readonly #mustReach: number | undefined
  readonly #commit: ((seq: number) => void) | undefined
  readonly #onSkipped: ((skipped: Skipped) => void) | undefined
  #left: number

  constructor(home: Home, reader: NativeReader, bounds: Bounds, { kind, views = false }: Manner) {
    this.#home = home
    this.#native = reader
    const backward = kind === 'backward'
    this.#backward = backward
    const commit = kind === 'named' ? native(() => reader.commit()) : undefined
    const newRun = (table: Uint32Array, slab: Uint8Array) =>
      new Run(table, slab, backward, commit, home.decoding)
    this.#commit = commit
    this.#runs = native(() => {
      const calls = views ? reader.views() : null
      return calls === null ? new Copies(reader, backward, newRun) : new Views(calls, backward, newRun)
    })
    this.#until = bounds.until
    this.#onSkipped = bounds.onSkipped
    this.#mustReach = bounds.mustReach
    this.#left = bounds.limit ?? Infinity
  }

  /** The run that was fetched last. */
  get run(): Run {
    return this.#runs.run
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
    for (;;) {
      try {
        const count = this.#runs.fetch(this.#left)
        if (count > 0) this.run.begin()
        return this.#within(count)
      } catch (error) {
        this.#skip(error)
      }
    }
  }

  /** Goes past the damage that an error speaks of, or throws it. */
  #skip(error: unknown): void {
    const known = fromNative(error)
    if (this.#onSkipped === undefined || !(known instanceof ChronicleError)) throw known
    const skipped = native(() => this.#native.skip())
    if (skipped === null) throw known
    // Damage in front of the first message that is wanted costs none.
    if (skipped.from < skipped.to) this.#onSkipped({ ...skipped, error: known })
  }

  /** The run that was fetched, in memory that no later fetch touches. */
  keep(count: number): Run {
    const kept = this.#runs.keep(count)
    kept.begin()
    return kept
  }

  /** Blocks this thread until there is a message to fetch, or `ms` are over. */
  wait(ms: number): boolean {
    try {
      return this.#native.wait(ms)
    } catch (error) {
      this.#skip(error)
      return true
    }
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

  /** Whether the range ends with the last message of the run: what is pruned or damaged behind it is not missed. */
  #isLast(count: number): boolean {
    if (typeof this.#until !== 'number') return false
    return this.run.seq((count - 1) * ENTRY_WORDS) === (this.#backward ? this.#until : this.#until - 1)
  }

  #within(count: number): number {
    if (count === 0) {
      // Asking for the first seq that is left takes a system call, which who looks again and again must not pay for.
      const mustReach = this.#mustReach
      if (mustReach !== undefined && mustReach < this.#home.firstSeq) this.#home.reader(mustReach, false)
      return 0
    }
    const inside = this.#until === undefined ? count : this.run.within(this.#until, count)
    this.#left = inside < count || this.#isLast(count) ? 0 : this.#left - inside
    return inside
  }
}

import { checked } from './checks.ts'
import { copy, type CopyOptions, type CopyReport } from './copy.ts'
import { invalidArgument } from './errors.ts'
import { healthOf, type Health, type HealthOptions } from './health.ts'
import type { Message } from './message.ts'
import type { NativeChronicle } from './native.ts'
import { absolute, same } from './path.ts'
import { watched, workTable, type WorkOptions } from './progress.ts'
import type { Stats } from './stats.ts'
import { Streamed } from './streams/streamed.ts'
import type { Writer } from './writer.ts'

/** What a chronicle shows to the rest of this package alone. */
export const inside = Symbol('inside')

/** See {@link inside}. */
export interface Inside {
  readonly native: NativeChronicle
  /** Whether this handle has the writer lock. */
  readonly writing: boolean
  /** The writer, which takes the lock if need be. */
  readonly writer: () => Writer
}

/** What {@link Chronicle.snapshot} made. */
export interface SnapshotReport {
  /** The absolute path of the copy. */
  path: string
  /** The seq of its first message; `nextSeq` where it is empty. */
  firstSeq: number
  /** The seq that its next message gets: every message below it that was not pruned is in the copy. */
  nextSeq: number
  /** How many segment files it has. */
  segments: number
  /** Their length in bytes. */
  bytes: number
}

/** A chronicle of whatever values. */
export type AnyChronicle = Pick<Upkeep<Message<unknown>, unknown>, 'path' | 'nextSeq' | 'stats'>

/** Looking after a log: its health, and copies of it. */
export abstract class Upkeep<M extends Message<unknown>, C> extends Streamed<M, C> {
  abstract readonly path: string
  abstract get nextSeq(): number
  abstract stats(): Stats
  /** @internal */
  abstract [inside](): Inside

  /**
   * Says what is wrong, or about to be: see {@link HealthCode}. Reads no messages: {@link verify} does.
   *
   * @throws {@link ChronicleError} `ERR_CHRONICLE_INVALID_ARGUMENT`, and `ERR_CHRONICLE_CLOSED`; damage stands in the report.
   *
   * @example
   * ```ts
   * import { Chronicle } from 'chronicle-log'
   *
   * using log = Chronicle.open('./orders')
   * const { ok, problems } = log.health({ maxLag: 10_000, minFreeBytes: 1e9 })
   * if (!ok) for (const { code, message, hint } of problems) console.error(code, message, hint)
   * ```
   */
  health(options?: HealthOptions): Health {
    const { writing } = this[inside]()
    return healthOf({ path: this.path, writing, stats: () => this.stats() }, options)
  }

  /**
   * Appends messages of this log to another one: all that are there now, or a part. Payloads, types and batches are kept; a batch
   * that `from` or `to` cuts becomes the smaller one that is left of it. Seqs and timestamps are those of the new appends. The
   * event loop gets a turn every few milliseconds. Resolves once all is appended; `other.sync()` makes it durable.
   *
   * @param other - A chronicle in another directory, which takes its writer lock if need be.
   * @throws {@link ChronicleError} (as a rejection) what {@link Chronicle.read} and, of the other log, {@link Chronicle.append} throw,
   * and `ERR_CHRONICLE_ABORTED`. What was copied before stays.
   *
   * @example
   * ```ts
   * import { Chronicle } from 'chronicle-log'
   *
   * using log = Chronicle.open('./orders')
   * using other = Chronicle.open('./archive')
   * log.appendBatch(['packed', 'sent'])
   * const { messages, first } = await log.copyTo(other, { from: -2 })
   * console.log(`${messages} messages, from ${first} on`)
   * ```
   */
  async copyTo(other: AnyChronicle, options?: CopyOptions): Promise<CopyReport> {
    this[inside]()
    if (!(other instanceof Upkeep)) throw invalidArgument('other must be a Chronicle')
    if (same(other.path, this.path)) throw invalidArgument('other must be a chronicle in another directory')
    return copy(this, other[inside]().writer, options)
  }

  /**
   * Copies the log as it is at this moment, with the positions of its named readers, to a new directory that opens as a chronicle
   * with the same id, messages, seqs and timestamps. It is durable and whole when the promise resolves, and has its name only then.
   * Runs on another thread, while a writer appends and others prune, and from a handle that only reads too.
   *
   * Sealed segments share their blocks with the original where the file system can do that (Btrfs, XFS); elsewhere they are copied.
   *
   * @param dir - The path, or a `file:` URL, of the new directory; missing parents are made.
   * @throws {@link ChronicleError} (as a rejection) `ERR_CHRONICLE_INVALID_ARGUMENT` when `dir` exists, `ERR_CHRONICLE_NO_SPACE`,
   * `ERR_CHRONICLE_PERMISSION`, `ERR_CHRONICLE_ABORTED`, and the codes for damaged files as far as they are looked at: a damaged
   * message of a sealed segment is copied as it is, and {@link verify} finds it in the copy. What fails leaves nothing.
   *
   * @example
   * ```ts
   * import { Chronicle } from 'chronicle-log'
   *
   * using log = Chronicle.open('./orders')
   * const { path, nextSeq } = await log.snapshot(`./backups/${Date.now()}`)
   * console.log(`${path} holds the messages below ${nextSeq}`)
   * ```
   */
  async snapshot(dir: string | URL, options?: WorkOptions): Promise<SnapshotReport> {
    const path = absolute(dir, 'dir')
    const work = checked(options, workTable, 'snapshot')
    const { native } = this[inside]()
    return { path, ...(await watched((progress) => native.snapshot(path, progress), work)) }
  }
}

import { setTimeout as pause } from 'node:timers/promises'

import { Channels, type ChannelOptions, type ChannelTable, type Unlisted } from './channels.ts'
import { checkName, checkSeq, type NativeFrom } from './checks.ts'
import type { Claim } from './claim.ts'
import type { Codec } from './codecs/codec.ts'
import { CodedWriter } from './codedWriter.ts'
import { Cursor } from './cursor.ts'
import { Events } from './diagnostics.ts'
import { aborted, closed, native, readOnly } from './errors.ts'
import type { Message } from './message.ts'
import { NativeChronicle } from './native.ts'
import type {
  AcquireOptions,
  AppendOptions,
  BatchItem,
  BatchOptions,
  CursorOptions,
  DurableOptions,
  OpenOptions,
  Payload,
  PruneOptions,
  ReadOptions,
  TailOptions,
} from './options.ts'
import { absolute } from './path.ts'
import { Reader } from './reader.ts'
import { limits } from './retention.ts'
import type { Home } from './source.ts'
import type { PruneReport, ReaderInfo, Stats } from './stats.ts'
import { check } from './tables.ts'
import { Tail } from './tail.ts'
import { Upkeep, inside, type Inside } from './upkeep.ts'
import { oneCodec } from './value.ts'
import { Waiting } from './waiting.ts'
import { Writer, type BatchResult } from './writer.ts'

/** How long {@link Chronicle.durable} pauses between looks at what other processes have flushed. */
const DURABLE_PAUSE_MS = 5

/** What can be appended to a log whose reading gives `T`, unless its codec says otherwise. */
type Accepted<T> = [T] extends [Uint8Array] ? Payload : T

/**
 * An open chronicle: a persisted log that one handle appends to and any number of processes read. Reading gives values of type
 * `T`, and values of type `I` can be appended: bytes, and text or bytes, unless it was opened with a codec.
 *
 * Opening takes no lock. The first append, or {@link acquire}, takes the writer lock, which is held until {@link close}.
 *
 * @example
 * ```ts
 * import { Chronicle } from 'chronicle-log'
 *
 * using log = Chronicle.open('./orders')
 * const seq = log.append('hello', { type: 1 })
 * await log.durable(seq)
 * for (const message of log.read()) console.log(message.seq, message.text())
 * ```
 */
export class Chronicle<T = Uint8Array, I = Accepted<T>> extends Upkeep<Message<T>, I> {
  /** The absolute path of the directory. */
  readonly path: string
  readonly #native: NativeChronicle
  readonly #readOnly: boolean
  readonly #codec: Codec<unknown> | undefined
  readonly #home: Home & { closed: boolean }
  readonly #waiting: Waiting
  readonly #events: Events
  #writer: Writer | undefined

  private constructor(path: string, opened: NativeChronicle, isReadOnly: boolean, codec?: Codec<unknown>) {
    super()
    this.path = path
    this.#native = opened
    this.#readOnly = isReadOnly
    this.#codec = codec
    this.#home = {
      closed: false,
      decoding: codec === undefined ? undefined : oneCodec(codec),
      get firstSeq(): number {
        return native(() => opened.firstSeq())
      },
      get nextSeq(): number {
        return native(() => opened.nextSeq())
      },
      reader: (from: NativeFrom, durableOnly: boolean) => this.#ask((log) => log.reader(from, durableOnly)),
      namedReader: (name: string, newFrom: NativeFrom, durableOnly: boolean) =>
        this.#ask((log) => log.namedReader(name, newFrom, durableOnly)),
    }
    this.#waiting = new Waiting((notify, periodMs) => opened.waiter(notify, periodMs))
    this.#events = new Events(path, opened)
  }

  /**
   * Opens the chronicle in a directory, and creates both where they are missing.
   *
   * @param dir - The path, or a `file:` URL, of the directory.
   * @param options - With a `codec` messages are values of a type of your own; see {@link Codec}. The rest are {@link OpenOptions}.
   * @throws {@link ChronicleError} `ERR_CHRONICLE_NOT_FOUND`, `ERR_CHRONICLE_NOT_A_CHRONICLE`, `ERR_CHRONICLE_NETWORK_FS`,
   * `ERR_CHRONICLE_PERMISSION`, `ERR_CHRONICLE_NO_SPACE`, and the codes for damaged files.
   */
  static open<T, I = T>(dir: string | URL, options: OpenOptions & { codec: Codec<T, I> }): Chronicle<T, I>
  static open(dir: string | URL, options?: OpenOptions & { codec?: undefined }): Chronicle
  static open(dir: string | URL, options?: OpenOptions & { codec?: Codec<unknown> | undefined }): unknown {
    const path = absolute(dir, 'dir')
    const checked = check('open', options)
    const isReadOnly = checked.readOnly ?? false
    const syncEveryMs = checked.sync === undefined ? 1000 : checked.sync.everyMs
    const opened = native(() =>
      NativeChronicle.open(path, {
        create: checked.create ?? true,
        readOnly: isReadOnly,
        mode: checked.mode ?? 0o600,
        allowNetworkFs: checked.allowNetworkFs ?? false,
        ...(checked.segmentBytes === undefined ? {} : { segmentBytes: checked.segmentBytes }),
        ...(syncEveryMs === undefined ? {} : { syncEveryMs }),
        ...(checked.retention === undefined ? {} : { retention: limits(checked.retention, 'retention') }),
      }),
    )
    return new Chronicle(path, opened, isReadOnly, checked.codec)
  }

  /**
   * The seq of the first message that is left; {@link nextSeq} where the log is empty.
   *
   * @throws {@link ChronicleError} when the chronicle is closed or a segment is missing.
   */
  get firstSeq(): number {
    return this.#ask((opened) => opened.firstSeq())
  }

  /**
   * The seq that the next message gets, by whichever process: read from shared memory at each look.
   *
   * @throws {@link ChronicleError} when the chronicle is closed.
   */
  get nextSeq(): number {
    return this.#ask((opened) => opened.nextSeq())
  }

  /**
   * Every message below this seq survives a power cut.
   *
   * @throws {@link ChronicleError} when the chronicle is closed.
   */
  get durableSeq(): number {
    return this.#ask((opened) => opened.durableSeq())
  }

  /** Whether {@link close} was called. */
  get closed(): boolean {
    return this.#home.closed
  }

  /**
   * Takes the writer lock now rather than at the first append, and recovers what a crash may have left. Does nothing when
   * this handle has it already. With `wait` it blocks this thread while another handle holds the lock.
   *
   * @throws {@link ChronicleError} `ERR_CHRONICLE_LOCKED` with the holder's `pid`, `ERR_CHRONICLE_READ_ONLY`,
   * `ERR_CHRONICLE_CORRUPT` and the other codes for damaged files.
   */
  acquire(options?: AcquireOptions): void {
    const { wait = 0 } = check('acquire', options)
    this.#check()
    if (this.#writer === undefined) this.#acquire(wait)
  }

  /**
   * Appends one message and returns its seq. When it returns, every reader sees the message, and the end of this process
   * cannot take it; what a power cut may take is a matter of {@link OpenOptions.sync}.
   *
   * @param payload - Text, stored as UTF-8 (a lone surrogate as U+FFFD), or bytes, up to 1 GiB; may be empty. With a codec, a value.
   * @throws {@link ChronicleError} `ERR_CHRONICLE_LOCKED`, `ERR_CHRONICLE_READ_ONLY`, `ERR_CHRONICLE_INVALID_ARGUMENT`,
   * `ERR_CHRONICLE_CONFLICT`, `ERR_CHRONICLE_TOO_LARGE`, `ERR_CHRONICLE_NO_SPACE`, `ERR_CHRONICLE_POISONED`,
   * `ERR_CHRONICLE_FORKED`, `ERR_CHRONICLE_INVALID_VALUE`, `ERR_CHRONICLE_CLOSED`. The message is not appended then.
   */
  append(payload: I, options?: AppendOptions): number {
    return (this.#writer ?? this.#acquire(0)).append(payload as Payload, options)
  }

  /**
   * Appends messages atomically: every reader, and recovery after any failure, finds all of them or none. All items are
   * checked before anything is written.
   *
   * @param items - Payloads, or objects of a payload and its type, or, with a codec, values; at least one, up to 2 GiB in all.
   * @returns The seqs of the first and the last message.
   * @throws {@link ChronicleError} as {@link append}.
   */
  appendBatch(items: readonly I[], options?: BatchOptions): BatchResult
  appendBatch(this: Chronicle, items: readonly (Payload | BatchItem)[], options?: BatchOptions): BatchResult
  appendBatch(items: readonly unknown[], options?: BatchOptions): BatchResult {
    return (this.#writer ?? this.#acquire(0)).appendBatch(items, options)
  }

  /**
   * Claims space for a message of `length` bytes (0 to 2^30), to be filled in place and then published. No codec is asked.
   *
   * @throws {@link ChronicleError} as {@link append}; `ERR_CHRONICLE_INVALID_ARGUMENT` while another claim is open.
   */
  claim(length: number): Claim {
    return (this.#writer ?? this.#acquire(0)).claim(this.#home, length)
  }

  /**
   * Makes everything that was appended so far survive a power cut. Resolves with the first seq that is not covered. Callers
   * that come together share one flush, which runs on another thread. Takes the writer lock if need be.
   *
   * @throws {@link ChronicleError} (as a rejection) `ERR_CHRONICLE_POISONED` when the disk failed, and what {@link acquire}
   * throws.
   */
  async sync(): Promise<number> {
    return (this.#writer ?? this.#acquire(0)).sync()
  }

  /**
   * Resolves once the message with this seq survives a power cut. The writing handle flushes for it; any other waits for the
   * writer's flush, and, like a seq that is not appended yet, possibly for ever: give a signal.
   *
   * @throws {@link ChronicleError} (as a rejection) as {@link sync}; `ERR_CHRONICLE_ABORTED` when the signal was aborted.
   */
  async durable(seq: number, options?: DurableOptions): Promise<void> {
    checkSeq(seq, 'seq')
    const { signal } = check('durable', options)
    for (;;) {
      if (signal?.aborted === true) throw aborted(signal.reason)
      if (this.durableSeq > seq) return
      if (this.#writer !== undefined && this.nextSeq > seq) await this.#writer.sync()
      else await pause(DURABLE_PAUSE_MS)
    }
  }

  /**
   * A part of the log to iterate over, from the start by default, ending at the head.
   *
   * @throws {@link ChronicleError} `ERR_CHRONICLE_INVALID_ARGUMENT`; the iteration throws for damaged files.
   */
  read(options?: ReadOptions): Reader<Message<T>> {
    const range = check('read', options)
    this.#check()
    return new Reader(this.#home, range)
  }

  /**
   * Follows the log from its end by default: an async iterable of what is appended, by whatever process. With a name it goes
   * on behind what a tail of this name has committed.
   *
   * @throws {@link ChronicleError} `ERR_CHRONICLE_INVALID_ARGUMENT`, `ERR_CHRONICLE_GAP` where the place was pruned,
   * `ERR_CHRONICLE_LOCKED` with the `pid` of the process that uses the name, `ERR_CHRONICLE_READ_ONLY` for a name on a chronicle
   * that is open for reading only, and the codes for damaged files.
   */
  tail(options?: TailOptions): Tail<Message<T>> {
    const range = check('tail', options)
    return new Tail(this.#home, this.#waiting, range)
  }

  /**
   * Reads without an allocation for each message, from the start by default.
   *
   * @throws {@link ChronicleError} `ERR_CHRONICLE_INVALID_ARGUMENT`, `ERR_CHRONICLE_GAP`, and the codes for damaged files.
   */
  cursor(options?: CursorOptions): Cursor<T> {
    return new Cursor(this.#home, check('cursor', options))
  }

  /**
   * A view of the log in which each type of message has a name and a codec.
   *
   * @throws {@link ChronicleError} `ERR_CHRONICLE_INVALID_ARGUMENT`, also when the chronicle itself has a codec.
   */
  types<const C extends ChannelTable, U extends Unlisted = 'throw'>(
    this: Chronicle,
    table: C,
    options?: ChannelOptions<U>,
  ): Channels<C, U> {
    const writer = () => this.#writer ?? this.#acquire(0)
    const hasCodec = this.#codec !== undefined
    return new Channels({ home: this.#home, waiting: this.#waiting, writer, hasCodec }, table, options)
  }

  /**
   * Every named reader with its position, in order of their names.
   *
   * @throws {@link ChronicleError} when the chronicle is closed or damaged.
   */
  readers(): ReaderInfo[] {
    return this.#ask((opened) => opened.readers())
  }

  /**
   * Forgets a named reader: its position no longer keeps messages from being pruned.
   *
   * @throws {@link ChronicleError} `ERR_CHRONICLE_NOT_FOUND`, `ERR_CHRONICLE_LOCKED` while a tail uses it, `ERR_CHRONICLE_READ_ONLY`.
   */
  removeReader(name: string): void {
    checkName(name, 'name')
    this.#ask((opened) => opened.removeReader(name))
  }

  /**
   * Moves a named reader that no tail uses, or makes one: it reads the message `seq` next. So a reader whose place was pruned
   * goes on at the `first` of its `ERR_CHRONICLE_GAP`.
   *
   * @throws {@link ChronicleError} `ERR_CHRONICLE_INVALID_ARGUMENT` for a seq behind the end of the log,
   * `ERR_CHRONICLE_LOCKED` while a tail uses it, `ERR_CHRONICLE_READ_ONLY`.
   */
  setReader(name: string, seq: number): void {
    checkName(name, 'name')
    checkSeq(seq, 'seq')
    this.#ask((opened) => opened.setReader(name, seq))
  }

  /**
   * Removes old segment files, oldest first: see {@link Retention}. Any process may, while another one writes and others read;
   * who reads within a file that is removed reads it to its end. Blocks this thread until the removal is durable.
   *
   * @throws {@link ChronicleError} `ERR_CHRONICLE_INVALID_ARGUMENT` without any limit, `ERR_CHRONICLE_READ_ONLY` but for a dry run,
   * `ERR_CHRONICLE_LOCKED` when another prune does not come to an end within 5 seconds, and the codes for damaged files: a position that cannot be read keeps everything.
   */
  prune(options: PruneOptions): PruneReport {
    const { dryRun = false, ...keep } = check('prune', options)
    const kept = limits(keep, 'prune')
    return this.#ask((opened) => opened.prune(kept, dryRun))
  }

  /**
   * Counts files and bytes, and tells how far the log goes.
   *
   * @throws {@link ChronicleError} when the chronicle is closed or damaged.
   */
  stats(): Stats {
    return this.#ask((opened) => opened.stats())
  }

  /**
   * Closes the chronicle with everything that was made from it, and gives the writer lock back. Unless `sync` is `'none'`, what
   * was appended is flushed first, which blocks this thread. Payloads that are held stay valid. A second call does nothing.
   */
  close(): void {
    if (this.#home.closed) return
    this.#home.closed = true
    this.#waiting.close()
    this.#writer = undefined
    native(() => this.#native.close())
  }

  /** {@link close}, at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.close()
  }

  /** Flushes off this thread and closes, at the end of an `await using` block. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (this.#writer !== undefined) await this.#writer.sync()
    } finally {
      this.close()
    }
  }

  /** @internal */
  [inside](): Inside {
    this.#check()
    return {
      native: this.#native,
      writing: this.#writer !== undefined,
      writer: () => this.#writer ?? this.#acquire(0),
    }
  }

  #acquire(wait: number): Writer {
    this.#check()
    if (this.#readOnly) throw readOnly(this.path)
    this.#events.listen()
    const open = (control: Float64Array, stage: Uint8Array) => this.#native.writer(wait, control, stage)
    const codec = this.#codec
    this.#writer = native(() => (codec === undefined ? new Writer(open) : new CodedWriter(open, codec)))
    this.#events.recovered()
    return this.#writer
  }

  #ask<T>(question: (opened: NativeChronicle) => T): T {
    this.#check()
    return native(() => question(this.#native))
  }

  #check(): void {
    if (this.#home.closed) throw closed('chronicle')
  }
}

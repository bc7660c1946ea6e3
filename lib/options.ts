import type { CorruptionOptions } from './corruption.ts'

/** When messages are flushed to the disk unasked: see {@link OpenOptions.sync}. */
export type SyncOption = 'none' | 'always' | { everyMs: number }

/** Options of {@link Chronicle.open}. */
export interface OpenOptions {
  /** Create the directory and the chronicle when there is none. Default: `true`. */
  create?: boolean | undefined
  /** Never write, create or lock anything; works on a read-only file system. Default: `false`. */
  readOnly?: boolean | undefined
  /**
   * The length in bytes that segment files double up to, starting from 1 MiB. A multiple of 4,096 from 65,536 (64 KiB) to
   * 4,294,967,296 (4 GiB). Default: what the chronicle was created with, and 67,108,864 (64 MiB) for a new one.
   */
  segmentBytes?: number | undefined
  /** The permission bits of created files, from `0o600` to `0o777`; read and write by the owner are always among them. Default: `0o600`. */
  mode?: number | undefined
  /**
   * When messages are flushed to the disk unasked: `'none'` never, `'always'` before each append returns, `{ everyMs }`
   * by a helper thread this often (1 to 2,147,483,647 ms). In every mode a message survives the end of the process from
   * the moment that append returns; this is about power cuts. Default: `{ everyMs: 1000 }`.
   */
  sync?: SyncOption | undefined
  /** Open on a network file system although mapped memory is not coherent there. Default: `false`. */
  allowNetworkFs?: boolean | undefined
  /** What a {@link Chronicle.prune} at each roll to a new segment keeps. Default: nothing is pruned unasked. */
  retention?: Retention | undefined
}

/**
 * What has to stay. A segment file goes, oldest first, when any limit that is given no longer keeps it, unless a named reader
 * has still to read it. Without a limit nothing goes. The segment that is appended to always stays.
 */
export interface Retention {
  /** Segments go until the rest takes no more than this many bytes on the disk, 0 to 2^53 - 1. Default: no limit. */
  keepBytes?: number | undefined
  /** Segments go whose last message is older than this many milliseconds, 0 to 2^53 - 1. Default: no limit. */
  keepMs?: number | undefined
  /** Segments go that hold none of this many last messages, 0 to 2^53 - 1. Default: no limit. */
  keepMessages?: number | undefined
  /**
   * Segments stay that a named reader has still to read. Given as `true` and alone it is a limit too: what all named readers have
   * read goes, and where there is no named reader, nothing. Default: `true`.
   */
  keepUnread?: boolean | undefined
}

/** Options of {@link Chronicle.prune}. */
export interface PruneOptions extends Retention {
  /** Remove nothing, and tell what would be removed. Default: `false`. */
  dryRun?: boolean | undefined
}

/** Options of {@link Chronicle.acquire}. */
export interface AcquireOptions {
  /** How long to try while another handle holds the lock, in milliseconds, 0 to 2,147,483,647. Blocks this thread. Default: `0`. */
  wait?: number | undefined
}

/** Options of {@link Chronicle.append}. */
export interface AppendOptions {
  /** The message's type, a number of your own, 0 to 65,535. Default: `0`. */
  type?: number | undefined
  /** Append only if the message gets this seq; otherwise throw `ERR_CHRONICLE_CONFLICT`. Default: whatever comes next. */
  expectedSeq?: number | undefined
}

/** Options of {@link Chronicle.appendBatch}. */
export interface BatchOptions {
  /** The type of the messages that do not have one of their own, 0 to 65,535. Default: `0`. */
  type?: number | undefined
  /** Append only if the first message gets this seq; otherwise throw `ERR_CHRONICLE_CONFLICT`. Default: whatever comes next. */
  expectedSeq?: number | undefined
}

/** What can be appended: text is stored as UTF-8, bytes as they are. */
export type Payload = string | Uint8Array

/** A message of {@link Chronicle.appendBatch} that has a type. */
export interface BatchItem {
  /** The bytes or the text. */
  payload: Payload
  /** The message's type, 0 to 65,535. Default: that of the batch. */
  type?: number | undefined
}

/**
 * A place to begin reading at: a seq (`42`), so many messages before the end (`-10`), the first message at a time or
 * later (a `Date`, or a `bigint` of nanoseconds since the Unix epoch), the first message that is left (`'start'`), or
 * behind the last one (`'end'`).
 */
export type From = number | bigint | Date | 'start' | 'end'

/** A place to end before: a seq, or a time (a `Date`, or a `bigint` of nanoseconds since the Unix epoch). */
export type To = number | bigint | Date

/** Options of {@link Chronicle.cursor}, and those that {@link Chronicle.read} shares with it. */
export interface CursorOptions extends CorruptionOptions {
  /** Where to begin. A seq that is not published yet yields nothing until it is. Default: `'start'`. */
  from?: From | undefined
  /** Where to end: the first message that is not read any more. Default: the head of the log. */
  to?: To | undefined
  /** The most messages to read, 0 to 2^53 - 1. Default: no limit. */
  limit?: number | undefined
  /** Read only what is durable, so that no power cut takes back what was read. Default: `false`. */
  durableOnly?: boolean | undefined
  /**
   * Where payloads lie. `'copy'`: in memory of their own, which nothing changes. `'view'`: in the mapped file itself, for payloads of
   * some 16 KiB and more, which takes half the time; each was checked, and stays valid for as long as it is held, but
   *
   * - it shows what another process does to the file, should one change what is published,
   * - its `buffer` has 8 MiB of the file, or more: copy with `slice()` what is to be sent to another thread, and never `transfer()` it, because
   *   it is unmapped when the thread ends that read it,
   * - to hold one keeps its segment mapped, and the space of a pruned file taken; what was collected is given back in a turn of the
   *   event loop, so a worker that only waits in `next()` keeps all, and reading more than some 10,000 segments needs a turn now and then.
   *
   * What a program stores to a view stays in the process, and later messages are read as they are. A runtime that does not let native
   * code own memory gets copies. Default: `'copy'`.
   */
  payload?: 'copy' | 'view' | undefined
}

/** Options of {@link Chronicle.read}. */
export interface ReadOptions extends CursorOptions {
  /** Read the same messages, the last one first; with `limit`, so many from the end. Default: `false`. */
  reverse?: boolean | undefined
}

/** Options of {@link Chronicle.tail}. */
export interface TailOptions extends CorruptionOptions {
  /**
   * Where to begin. Default: `'end'`, so what is appended from now on. With a name it is `'resume'`, behind what was
   * committed, and nothing else.
   */
  from?: From | 'resume' | undefined
  /**
   * The name under which positions are kept: 1 to 128 bytes of a file name, without `/ \ : * ? " < > |` and control characters,
   * not starting or ending with a dot, not ending with a space, and no device of Windows such as `con`. One tail at a time uses a
   * name. Default: none, and no position.
   */
  name?: string | undefined
  /** Where a name that is new begins. Default: `'start'`. */
  newFrom?: From | undefined
  /** Read only what is durable, so that no power cut takes back what was read. Default: `false`. */
  durableOnly?: boolean | undefined
  /** Where payloads lie, as for {@link CursorOptions}. Default: `'copy'`. */
  payload?: 'copy' | 'view' | undefined
  /** Ends the tail: the iteration throws `ERR_CHRONICLE_ABORTED`, named "AbortError", with the signal's reason as cause. */
  signal?: AbortSignal | undefined
  /** Keep the process alive while waiting for a message. Default: `false`. */
  keepAlive?: boolean | undefined
}

/** Options of {@link Claim.publish}. */
export interface PublishOptions {
  /** The message's type, a number of your own, 0 to 65,535. Default: `0`. */
  type?: number | undefined
}

/** Options of {@link Cursor.next}. */
export interface NextOptions {
  /** How long to wait for a message at the head, in milliseconds, 0 to 2,147,483,647. Blocks this thread. Default: `0`. */
  wait?: number | undefined
}

/** Options of {@link Chronicle.durable}. */
export interface DurableOptions {
  /** Ends the wait: the promise rejects with `ERR_CHRONICLE_ABORTED`. */
  signal?: AbortSignal | undefined
}

import { isDate } from 'node:util/types'

import { checkCodec } from './codecs/codec.ts'
import { checkOnCorruption as onCorruption, type CorruptionOptions } from './corruption.ts'
import { invalidArgument } from './errors.ts'

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
   * - its `buffer` has 8 MiB of the file, or more: copy with `slice()` what is to be sent to another thread,
   * - to hold one keeps its segment mapped, and the space of a pruned file taken; what was collected is given back in a turn of the
   *   event loop, so reading more than some 10,000 segments needs one now and then.
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

const MAX_MS = 2 ** 31 - 1
const MAX_TYPE = 0xffff

/** Checks a value that goes by a name, and returns what is to be used. */
export type Check = (value: unknown, name: string) => unknown

/** How a refusal shows the value: short, and without running code of the value's own. */
function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value)
  if (typeof value === 'number') return Object.is(value, -0) ? '-0' : String(value)
  if (typeof value === 'bigint') return `${value}n`
  if (value === null || typeof value === 'boolean') return String(value)
  if (typeof value === 'object') return Array.isArray(value) ? 'an array' : 'an object'
  return typeof value
}

/** Refuses a value that must be something else. */
export function refuse(name: string, must: string, value: unknown): never {
  throw invalidArgument(`${name} must be ${must}, got ${show(value)}`)
}

/** Checks a yes or no. */
export function flag(value: unknown, name: string): boolean {
  return typeof value === 'boolean' ? value : refuse(name, 'true or false', value)
}

/** Checks where payloads are to lie. */
function place(value: unknown, name: string): 'copy' | 'view' {
  return value === 'copy' || value === 'view' ? value : refuse(name, "'copy' or 'view'", value)
}

/** A check for whole numbers. */
export function whole(min: number, max: number): (value: unknown, name: string) => number {
  return (value, name) =>
    typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max
      ? value
      : refuse(name, `a whole number from ${min} to ${max}`, value)
}

const milliseconds = whole(0, MAX_MS)
const count = whole(0, Number.MAX_SAFE_INTEGER)

/** Checks a seq: a whole number that a message may have. */
export const checkSeq: (value: unknown, name: string) => number = count

/** Checks a length or an offset. */
export const checkCount: (value: unknown, name: string) => number = count

/** Checks a message type. */
export const checkType: (value: unknown, name: string) => number = whole(0, MAX_TYPE)

function segmentBytes(value: unknown, name: string): number {
  const fits = typeof value === 'number' && value >= 65_536 && value <= 2 ** 32 && value % 4096 === 0
  return fits ? value : refuse(name, 'a multiple of 4096 from 65536 to 4294967296', value)
}

function mode(value: unknown, name: string): number {
  const fits = typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0o777
  return fits && (value & 0o600) === 0o600
    ? value
    : refuse(name, 'permission bits from 0o600 to 0o777 with 0o600 among them', value)
}

const syncTable = { everyMs: whole(1, MAX_MS) } satisfies Record<string, Check>

/** Milliseconds between flushes: 0 for each append, none for never. */
function sync(value: unknown, name: string): { everyMs: number | undefined } {
  if (value === 'none') return { everyMs: undefined }
  if (value === 'always') return { everyMs: 0 }
  if (typeof value !== 'object' || value === null) {
    return refuse(name, `'none', 'always' or { everyMs }`, value)
  }
  const { everyMs } = checked(value, syncTable, name, `${name}.`)
  return everyMs === undefined
    ? refuse(`${name}.everyMs`, `a whole number from 1 to ${MAX_MS}`, everyMs)
    : { everyMs }
}

/** Checks a signal. */
export function signal(value: unknown, name: string): AbortSignal {
  return value instanceof AbortSignal ? value : refuse(name, 'an AbortSignal', value)
}

/** A moment in nanoseconds since the Unix epoch. What lies before the epoch begins with it: no message is older. */
function moment(value: bigint | Date, name: string): bigint {
  if (typeof value === 'bigint') {
    return value >= 0n && value < 2n ** 64n
      ? value
      : refuse(name, 'nanoseconds from 0n to 2n ** 64n - 1n', value)
  }
  const ms = Date.prototype.getTime.call(value)
  if (Number.isNaN(ms)) throw invalidArgument(`${name} must be a valid Date`)
  const ns = BigInt(Math.max(0, ms)) * 1_000_000n
  return ns < 2n ** 64n ? ns : 2n ** 64n - 1n
}

const fromKinds = `a seq, a negative number, a Date, a bigint, 'start' or 'end'`

function resumable(value: unknown, name: string): NativeFrom | 'resume' {
  return value === 'resume' ? value : from(value, name)
}

/** Checks the name of a reader: the core knows which ones can be file names. */
export function checkName(value: unknown, name: string): string {
  return typeof value === 'string' ? value : refuse(name, 'a string', value)
}

const retentionTable = { keepBytes: count, keepMs: count, keepMessages: count, keepUnread: flag }

function retention(value: unknown, name: string): Checked<typeof retentionTable> {
  return checked(value, retentionTable, name, `${name}.`)
}

/** Checks a place to begin at. */
export function from(value: unknown, name: string): NativeFrom {
  if (value === 'start' || value === 'end') return value
  if (typeof value === 'number')
    return Number.isSafeInteger(value) ? value + 0 : refuse(name, fromKinds, value)
  if (typeof value === 'bigint' || isDate(value)) return moment(value, name)
  return refuse(name, fromKinds, value)
}

/** Checks a place to end before. */
export function to(value: unknown, name: string): number | bigint {
  if (typeof value === 'number') return count(value, name)
  if (typeof value === 'bigint' || isDate(value)) return moment(value, name)
  return refuse(name, 'a seq, a Date or a bigint', value)
}

/** A place as the binding takes it: times are nanoseconds. */
export type NativeFrom = number | bigint | 'start' | 'end'

function nanoseconds(value: unknown, name: string): bigint {
  return typeof value === 'bigint' ? moment(value, name) : refuse(name, 'a bigint of nanoseconds', value)
}

/** Every option of every call, with its check. */
export const tables = {
  open: {
    create: flag,
    readOnly: flag,
    segmentBytes,
    mode,
    sync,
    allowNetworkFs: flag,
    retention,
    codec: checkCodec,
  },
  prune: { ...retentionTable, dryRun: flag },
  acquire: { wait: milliseconds },
  append: { type: checkType, expectedSeq: count },
  appendBatch: { type: checkType, expectedSeq: count },
  publish: { type: checkType },
  read: { from, to, limit: count, durableOnly: flag, payload: place, reverse: flag, onCorruption },
  cursor: { from, to, limit: count, durableOnly: flag, payload: place, onCorruption },
  next: { wait: milliseconds },
  tail: {
    from: resumable,
    name: checkName,
    newFrom: from,
    durableOnly: flag,
    payload: place,
    onCorruption,
    signal,
    keepAlive: flag,
  },
  durable: { signal },
  MessageHeader: {
    seq: count,
    timestampNs: nanoseconds,
    length: whole(0, 2 ** 30),
    checksum: whole(0, 2 ** 32 - 1),
    type: checkType,
    valid: flag,
    end: flag,
    batchRemaining: whole(0, 2 ** 32 - 1),
    epoch: whole(0, 2 ** 32 - 1),
  },
} satisfies Record<string, Record<string, Check>>

export type Table = Record<string, Check>
export type Checked<T extends Table> = { [K in keyof T]?: ReturnType<T[K]> | undefined }

/** Checks each option once, refuses unknown ones by name, and returns what was read. */
export function checked<T extends Table>(options: unknown, table: T, call: string, prefix = ''): Checked<T> {
  const result: Record<string, unknown> = {}
  if (options === undefined) return result as Checked<T>
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    return refuse(`the options of ${call}`, 'an object', options)
  }
  for (const name in options) {
    const check = Object.hasOwn(table, name) ? table[name] : undefined
    if (check === undefined) refuseUnknown(name, table, call)
    const value = (options as Record<string, unknown>)[name]
    if (value !== undefined) result[name] = check(value, `${prefix}${name}`)
  }
  return result as Checked<T>
}

function refuseUnknown(name: string, table: Table, call: string): never {
  throw invalidArgument(`${call} has no option ${show(name)}; it has ${Object.keys(table).join(', ')}`)
}

/** Refuses an option that a call does not have. */
export function refuseOption(call: keyof typeof tables, name: string): never {
  refuseUnknown(name, tables[call], call)
}

/** The checked options of a call. What was not given is not there. */
export function check<K extends keyof typeof tables>(call: K, options: unknown): Checked<(typeof tables)[K]> {
  return checked(options, tables[call], call) as Checked<(typeof tables)[K]>
}

/** Refuses a payload that is neither text nor bytes. */
export function refusePayload(value: unknown, name: string): never {
  return refuse(name, 'a string or a Uint8Array', value)
}

/** Checks a path: text without a zero character, or a file URL. */
export function checkPath(value: unknown, name: string): string | URL {
  if (value instanceof URL && value.protocol === 'file:') return value
  if (typeof value === 'string' && value !== '' && !value.includes('\0')) return value
  return refuse(name, 'a path or a file URL', value)
}

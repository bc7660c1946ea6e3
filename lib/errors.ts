import type { SchemaIssue } from './codecs/schema.ts'
import { tellOfError } from './diagnostics.ts'
import { whyNoBinding } from './platform.ts'

/**
 * Every code that a {@link ChronicleError} can have, with what to do about it.
 *
 * Codes are stable; messages are not.
 */
export const errorCodes = {
  /** An option, argument or payload is of the wrong type or out of its range. Nothing was written. */
  ERR_CHRONICLE_INVALID_ARGUMENT: 'Correct the argument that the message names; nothing was written.',
  /** A codec or a schema refuses a value or a payload. `issues` is what the schema finds; `seq` the message, when reading. */
  ERR_CHRONICLE_INVALID_VALUE: 'Correct the value; when reading, look at what was appended under that seq.',
  /** A message has a type that the table of its view does not have. */
  ERR_CHRONICLE_UNKNOWN_TYPE: "Add the type to the table, or open the view with unknown: 'include'.",
  /** There is no chronicle at the path, and creating one was not asked for. */
  ERR_CHRONICLE_NOT_FOUND: 'Check the path, or open with create: true.',
  /** The path holds something else: a file, or a directory of someone else's. */
  ERR_CHRONICLE_NOT_A_CHRONICLE: 'Choose an empty or a new directory.',
  /** A name that must be a regular file is a symlink, a directory, a fifo or a device. */
  ERR_CHRONICLE_NOT_A_FILE: 'Look at what stands at the path; links are not followed.',
  /** Another handle has the chronicle open for writing. `pid` is its process, where that is known. */
  ERR_CHRONICLE_LOCKED: 'Wait with acquire({ wait }), or end the process with that pid.',
  /** The chronicle was opened with `readOnly`, or holds a feature that this version can only read. */
  ERR_CHRONICLE_READ_ONLY: 'Open without readOnly to write.',
  /** The chronicle, reader or file was closed. */
  ERR_CHRONICLE_CLOSED: 'Open it again.',
  /** A file has no byte in it where a header must be. */
  ERR_CHRONICLE_EMPTY_FILE: 'Restore the file from a copy.',
  /** A file is shorter than its header says. */
  ERR_CHRONICLE_TRUNCATED: 'Restore the file from a copy.',
  /** A file does not begin with the magic bytes of its kind. */
  ERR_CHRONICLE_BAD_MAGIC: 'Restore the file from a copy.',
  /** The file was written in a format version that this build does not know. */
  ERR_CHRONICLE_UNSUPPORTED_VERSION: 'Use a newer version of chronicle-log.',
  /** The file uses a feature that this build does not know. */
  ERR_CHRONICLE_UNSUPPORTED_FEATURE: 'Use a newer version of chronicle-log.',
  /** A length or an offset points outside of its file, or a range outside of a mapping. */
  ERR_CHRONICLE_OUT_OF_BOUNDS: 'Restore the file from a copy, or correct the range asked for.',
  /** A checksum, a sequence number or another invariant of the bytes on disk does not hold. */
  ERR_CHRONICLE_CORRUPT: 'Restore the file from a copy; everything before the offset is intact.',
  /** A segment is gone although segments around it exist. */
  ERR_CHRONICLE_MISSING_SEGMENT: 'Restore the segment from a copy.',
  /** A payload is longer than 1 GiB, or a batch longer than 2 GiB. */
  ERR_CHRONICLE_TOO_LARGE: 'Split the payload.',
  /** The disk or the quota is full. Nothing of the failed call was published. */
  ERR_CHRONICLE_NO_SPACE: 'Make room and append again.',
  /** The operating system denies access. */
  ERR_CHRONICLE_PERMISSION: 'Check owner and mode of the path.',
  /** The directory is on a network file system, where mapped memory is not coherent. */
  ERR_CHRONICLE_NETWORK_FS: 'Use a local disk, or allowNetworkFs where one host alone uses the directory.',
  /** Any other failure of the operating system. */
  ERR_CHRONICLE_IO: 'See the message for what the system said.',
  /** `expectedSeq` is not the seq that the message would get. `actual` is. */
  ERR_CHRONICLE_CONFLICT: 'Read what was appended in between, and decide again.',
  /** The messages asked for were pruned. `first` is the first seq that is left. */
  ERR_CHRONICLE_GAP: 'Go on from first, knowing that messages are gone.',
  /** A flush failed, or native code met a bug: nothing more may be promised through this handle. */
  ERR_CHRONICLE_POISONED: 'Close the chronicle and open it again; append what was not confirmed.',
  /** This process was forked from the one that opened the chronicle for writing. */
  ERR_CHRONICLE_FORKED: 'Write in the parent, or open the chronicle in the child.',
  /** The last sequence number, 2^53 - 1, is used. */
  ERR_CHRONICLE_SEQ_EXHAUSTED: 'Go on in a new chronicle.',
  /** The signal was aborted. `cause` is its reason, and `name` is "AbortError". */
  ERR_CHRONICLE_ABORTED: 'Nothing to do: the program asked for it.',
  /** The native part is not there for this platform. */
  ERR_CHRONICLE_NO_BINDING: 'Install with optional dependencies, on a supported platform.',
  /** A package that this one does not bring along is needed for the call and not installed. */
  ERR_CHRONICLE_MISSING_DEPENDENCY: 'Install the package that the message names.',
} as const

/** One of the codes of {@link errorCodes}. */
export type ChronicleErrorCode = keyof typeof errorCodes

/** What damaged files are answered with. */
const damage: ReadonlySet<ChronicleErrorCode> = new Set([
  'ERR_CHRONICLE_EMPTY_FILE',
  'ERR_CHRONICLE_TRUNCATED',
  'ERR_CHRONICLE_BAD_MAGIC',
  'ERR_CHRONICLE_OUT_OF_BOUNDS',
  'ERR_CHRONICLE_CORRUPT',
  'ERR_CHRONICLE_MISSING_SEGMENT',
])

const details = ['path', 'offset', 'seq', 'pid', 'actual', 'first', 'issues'] as const

/** Where a {@link ChronicleError} happened: what is known of it. */
interface Details {
  path?: string
  offset?: number
  seq?: number
  pid?: number
  actual?: number
  first?: number
  issues?: readonly SchemaIssue[]
}

/**
 * The error that every call of this package throws or rejects with.
 *
 * @example
 * ```ts
 * import { Chronicle, ChronicleError } from 'chronicle-log'
 *
 * try {
 *   Chronicle.open('./orders').append('paid', { expectedSeq: 42 })
 * } catch (error) {
 *   if (!(error instanceof ChronicleError) || error.code !== 'ERR_CHRONICLE_CONFLICT') throw error
 *   console.log(`the log has moved on to ${error.actual}`)
 * }
 * ```
 */
export class ChronicleError extends Error {
  /** What went wrong: stable, to be compared with. */
  readonly code: ChronicleErrorCode
  /** The file or directory that the error speaks of. */
  declare readonly path?: string
  /** The byte offset in {@link path}. */
  declare readonly offset?: number
  /** The sequence number of the message that the error speaks of. */
  declare readonly seq?: number
  /** The process that holds the writer lock, for `ERR_CHRONICLE_LOCKED`. */
  declare readonly pid?: number
  /** The seq that the next message gets, for `ERR_CHRONICLE_CONFLICT`. */
  declare readonly actual?: number
  /** The first seq that is left, for `ERR_CHRONICLE_GAP`. */
  declare readonly first?: number
  /** What a schema finds wrong with a value, for `ERR_CHRONICLE_INVALID_VALUE`. */
  declare readonly issues?: readonly SchemaIssue[]

  /**
   * Whether the code tells of a damaged file: bytes that are missing or wrong, to be restored from a copy, or to be cut off by
   * {@link repair}. A file of a newer version is not damaged. Of an {@link MmapFile}, `ERR_CHRONICLE_OUT_OF_BOUNDS` tells of the range asked for.
   *
   * @example
   * ```ts
   * import { Chronicle, ChronicleError } from 'chronicle-log'
   *
   * const log = Chronicle.open('./orders')
   * try {
   *   for (const message of log.read()) console.log(message.text())
   * } catch (error) {
   *   if (!(error instanceof ChronicleError) || !error.damage) throw error
   *   console.error(`${error.path} is damaged, from byte ${error.offset} on`)
   * }
   * ```
   */
  get damage(): boolean {
    return damage.has(this.code)
  }

  /** @internal */
  constructor(code: ChronicleErrorCode, message: string, known: Details = {}, options?: ErrorOptions) {
    super(message, options)
    this.code = code
    for (const name of details) {
      if (known[name] !== undefined)
        Object.defineProperty(this, name, { value: known[name], enumerable: true })
    }
  }
}

Object.defineProperty(ChronicleError.prototype, 'name', {
  value: 'ChronicleError',
  configurable: true,
  writable: true,
})

/** An argument was refused before anything was done with it. */
export function invalidArgument(message: string): ChronicleError {
  return new ChronicleError('ERR_CHRONICLE_INVALID_ARGUMENT', message)
}

/** A commit without a position to store it in. */
export function notNamed(): ChronicleError {
  return invalidArgument('only the messages of a tail with a name can be committed')
}

/** A codec or a schema refuses a value. */
export function invalidValue(
  message: string,
  known: Pick<Details, 'seq' | 'issues'>,
  cause?: unknown,
): ChronicleError {
  const options = cause === undefined ? undefined : { cause }
  return new ChronicleError('ERR_CHRONICLE_INVALID_VALUE', message, known, options)
}

/** A message is of a type that nobody has described. */
export function unknownType(type: number, seq: number): ChronicleError {
  const message = `message ${seq} has the type ${type}, which is not in the table of types`
  return new ChronicleError('ERR_CHRONICLE_UNKNOWN_TYPE', message, { seq })
}

/** A package that the user has to install for a call is not there. */
export function missingDependency(name: string, call: string, cause: unknown): ChronicleError {
  const message = `${call} needs the package ${name}: npm install ${name}`
  return new ChronicleError('ERR_CHRONICLE_MISSING_DEPENDENCY', message, {}, { cause })
}

export function tooLarge(message: string): ChronicleError {
  return new ChronicleError('ERR_CHRONICLE_TOO_LARGE', message)
}

export function closed(what: string): ChronicleError {
  return new ChronicleError('ERR_CHRONICLE_CLOSED', `the ${what} is closed`)
}

export function readOnly(path: string): ChronicleError {
  return new ChronicleError(
    'ERR_CHRONICLE_READ_ONLY',
    `the chronicle was opened for reading only (path ${path})`,
    {
      path,
    },
  )
}

/** The error of a call whose signal was aborted: by name what Node.js rejects with, by class and code ours. */
export function aborted(reason: unknown): ChronicleError {
  const error = new ChronicleError(
    'ERR_CHRONICLE_ABORTED',
    'the operation was aborted',
    {},
    { cause: reason },
  )
  Object.defineProperty(error, 'name', { value: 'AbortError', configurable: true, writable: true })
  return error
}

/** The native part could not be loaded. */
export function noBinding(cause: unknown): ChronicleError {
  return new ChronicleError('ERR_CHRONICLE_NO_BINDING', whyNoBinding(cause), {}, { cause })
}

/** What native code threw, as the error of this package. Anything that is not a refusal of the core passes as it is. */
export function fromNative(error: unknown): unknown {
  if (!(error instanceof Error) || !('code' in error) || error instanceof ChronicleError) return error
  const { code } = error
  if (typeof code !== 'string' || !Object.hasOwn(errorCodes, code)) return error
  const made = new ChronicleError(code as ChronicleErrorCode, error.message, error as Details)
  tellOfError(made)
  return made
}

/** Runs a native call and throws its failure as a {@link ChronicleError}. */
export function native<T>(call: () => T): T {
  try {
    return call()
  } catch (error) {
    throw fromNative(error)
  }
}

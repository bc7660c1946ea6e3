import { checked } from './checks.ts'
import { fromNative, type ChronicleErrorCode } from './errors.ts'
import { repair as nativeRepair, verify as nativeVerify } from './native.ts'
import { absolute } from './path.ts'
import { refuseAborted, watched, workTable, type WorkOptions } from './progress.ts'
import type { Recovery } from './stats.ts'

/** What {@link verify} found. */
export interface VerifyReport {
  /** Whether every message that was promised can be read, and no crash left anything to mend. */
  sound: boolean
  /** Segment files that were read. */
  segments: number
  /** Messages whose order and both checksums hold. */
  messages: number
  /** Bytes of their payloads. */
  payloadBytes: number
  /** The first seq that is left. */
  firstSeq: number
  /** The seq behind the last message that was read, or that a prune removed meanwhile. */
  nextSeq: number
  /** Named readers whose position was read. */
  readers: number
  /** Everything that is wrong, in the order of the log: the first one of data is where a reader stops. */
  problems: Problem[]
}

/** Something that {@link verify} found wrong. */
export interface Problem {
  /**
   * What it costs: `'data'`, messages cannot be read; `'unfinished'`, a crash left it, and the next opening for writing mends it
   * without a loss of what was promised; `'derived'`, reading is slower until an index is made again.
   */
  severity: 'data' | 'unfinished' | 'derived'
  /** The code of the error that a reader gets there. */
  code: ChronicleErrorCode
  /** What it is, in words. */
  message: string
  /** The file. */
  path?: string
  /** The byte offset in it. */
  offset?: number
  /** The message. */
  seq?: number
}

/** What {@link repair} did, and what was lost. */
export interface RepairReport {
  /** Whether the `control` file was made again from the segments. */
  rebuiltControl: boolean
  /** The first message that is lost: the log ends before it, or begins behind {@link lostTo}. */
  lostFrom?: number
  /** One more than the last message that is lost, where that is known. */
  lostTo?: number
  /** Copies of everything that was changed or removed. */
  quarantined: string[]
  /** Named readers whose position could not be read: they are gone and start anew. */
  lostReaders: string[]
  /** Indexes that were wrong and are made again. */
  rebuiltIndexes: number
  /** What opening for writing behind the repair did. */
  recovery: Recovery
}

/**
 * Reads everything in a chronicle and changes nothing. Runs on another thread, beside readers and a writer: what is appended after
 * it has begun may be left out.
 *
 * @param dir - The path, or a `file:` URL, of the directory.
 * @throws {@link ChronicleError} (as a rejection) only when there is no chronicle or its `control` file is damaged: all else
 * stands in the report. `ERR_CHRONICLE_ABORTED` when the signal was aborted.
 *
 * @example
 * ```ts
 * import { verify } from 'chronicle-log'
 *
 * const report = await verify('./orders', {
 *   onProgress: ({ bytes, totalBytes }) => console.log(`${Math.round((100 * bytes) / totalBytes)} %`),
 * })
 * if (!report.sound) console.error(report.problems)
 * ```
 */
export async function verify(dir: string | URL, options?: WorkOptions): Promise<VerifyReport> {
  const path = absolute(dir, 'dir')
  const work = checked(options, workTable, 'verify')
  const report = await watched((progress) => nativeVerify(path, progress), work)
  // The signal may have come behind the last look at it.
  refuseAborted(work.signal)
  return report as VerifyReport
}

/**
 * Makes a damaged chronicle usable again. It is cut at its first damage, because a log has no holes; everything that is changed or
 * removed is kept in `quarantine/`. A chronicle without damage stays as it is.
 *
 * @param dir - The path, or a `file:` URL, of the directory.
 * @throws {@link ChronicleError} (as a rejection) `ERR_CHRONICLE_LOCKED` while a writer has it open, `ERR_CHRONICLE_NOT_FOUND`,
 * `ERR_CHRONICLE_NOT_A_CHRONICLE`, and for files of a later version, which are not damaged.
 *
 * @example
 * ```ts
 * import { repair } from 'chronicle-log'
 *
 * const { lostFrom, quarantined } = await repair('./orders')
 * ```
 */
export async function repair(dir: string | URL): Promise<RepairReport> {
  // Work on another thread settles with its failure as a value.
  const result = await nativeRepair(absolute(dir, 'dir'))
  if (result instanceof Error) throw fromNative(result)
  return result
}

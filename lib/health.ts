import { statfsSync } from 'node:fs'

import { checkCount, checked, flag, type Check } from './checks.ts'
import { ChronicleError, errorCodes } from './errors.ts'
import type { ReaderInfo, Stats } from './stats.ts'

/** Options of {@link Chronicle.health}. */
export interface HealthOptions {
  /** A named reader that is more messages behind is a problem. Default: no limit. */
  maxLag?: number | undefined
  /** Less free space on the disk, in bytes, is a problem. Default: what two segments of full length take. */
  minFreeBytes?: number | undefined
  /** Whether this handle is to write: another one that holds the lock is a problem then. Default: `false`. */
  writer?: boolean | undefined
}

/** What {@link Chronicle.health} returns. */
export interface Health {
  /** Whether there is no problem. */
  ok: boolean
  /** Everything that is wrong, the worst first. */
  problems: HealthProblem[]
}

/** Something that is wrong, or is about to be. */
export interface HealthProblem {
  /** What it is: stable, to be compared with. */
  code: HealthCode
  /** What it is, in words. */
  message: string
  /** What to do about it. */
  hint: string
}

/**
 * What can be wrong:
 *
 * - `'unreadable'`: a file of the log is missing or damaged, so that not even {@link Chronicle.stats} can be had;
 * - `'poisoned'`: a flush of this handle's writer failed, so it refuses to go on;
 * - `'flush-failed'`: a flush of another handle's writer failed since this boot;
 * - `'locked'`: another handle writes, and this one is to;
 * - `'disk-full'`: little space is left;
 * - `'unrecovered'`: no writer has come since a power cut, so messages at the end may be cut off;
 * - `'prune-failed'`: the last prune at a roll failed;
 * - `'reader-damaged'`: a named reader's position cannot be read, and keeps everything from being pruned;
 * - `'reader-behind'`: messages that a named reader has still to read were pruned;
 * - `'reader-lag'`: a named reader is far behind;
 * - `'network-fs'`, `'copy-on-write-fs'`: the file system promises less than the log rests on.
 */
export type HealthCode =
  | 'unreadable'
  | 'poisoned'
  | 'flush-failed'
  | 'locked'
  | 'disk-full'
  | 'unrecovered'
  | 'prune-failed'
  | 'reader-damaged'
  | 'reader-behind'
  | 'reader-lag'
  | 'network-fs'
  | 'copy-on-write-fs'

const table = { maxLag: checkCount, minFreeBytes: checkCount, writer: flag } satisfies Record<string, Check>

/** The log that is looked at. */
interface Patient {
  readonly path: string
  /** Whether this handle has the writer lock. */
  readonly writing: boolean
  stats(): Stats
}

/** Looks at everything that can be known without reading messages. */
export function healthOf(patient: Patient, options: unknown): Health {
  const limits = checked(options, table, 'health')
  let problems: HealthProblem[]
  try {
    const stats = patient.stats()
    problems = [
      ...ofWriter(stats, patient.writing, limits),
      ...ofDisk(stats, patient.path, limits),
      ...ofLog(stats),
      ...stats.readers.flatMap((reader) => [...ofReader(reader, stats, limits)]),
      ...ofFileSystem(stats),
    ]
  } catch (error) {
    if (!(error instanceof ChronicleError)) throw error
    problems = [{ code: 'unreadable', message: error.message, hint: errorCodes[error.code] }]
  }
  return { ok: problems.length === 0, problems }
}

function* ofWriter(
  stats: Stats,
  writing: boolean,
  { writer = false }: HealthOptions,
): Iterable<HealthProblem> {
  const { flushFailed, writerPid } = stats
  if (flushFailed && writing) {
    yield {
      code: 'poisoned',
      message: 'a flush failed, so this writer promises nothing more and refuses to append',
      hint: errorCodes.ERR_CHRONICLE_POISONED,
    }
  } else if (flushFailed) {
    yield {
      code: 'flush-failed',
      message: 'a flush failed, so what was appended before may not survive a power cut',
      hint: 'Look at the disk; the next opening for writing stores and flushes everything again.',
    }
  }
  if (writer && !writing && writerPid !== undefined) {
    yield {
      code: 'locked',
      message: `process ${writerPid} has the chronicle open for writing`,
      hint: errorCodes.ERR_CHRONICLE_LOCKED,
    }
  }
}

function* ofDisk(
  { segmentBytes }: Stats,
  path: string,
  { minFreeBytes }: HealthOptions,
): Iterable<HealthProblem> {
  const { bavail, bsize } = statfsSync(path)
  const free = bavail * bsize
  const least = minFreeBytes ?? 2 * segmentBytes
  if (free >= least) return
  yield {
    code: 'disk-full',
    message: `${free} bytes are free on the disk, less than ${least}`,
    hint: 'Make room, or prune: an append that needs a new segment fails once the disk is full.',
  }
}

function* ofLog({ recovered, nextSeq, firstSeq, pruneFailure }: Stats): Iterable<HealthProblem> {
  if (!recovered && nextSeq > firstSeq) {
    yield {
      code: 'unrecovered',
      message: `no writer has recovered the log since this boot, and it will be cut at ${nextSeq}`,
      hint: 'Open it for writing, with acquire().',
    }
  }
  if (pruneFailure !== undefined) {
    yield {
      code: 'prune-failed',
      message: `the last prune at a roll failed: ${pruneFailure}`,
      hint: 'Mend what the message names; the next roll tries again, and prune() does at once.',
    }
  }
}

function* ofReader(reader: ReaderInfo, stats: Stats, limits: HealthOptions): Iterable<HealthProblem> {
  const { name, nextSeq, lag, failure } = reader
  const { firstSeq } = stats
  if (failure !== undefined) {
    yield {
      code: 'reader-damaged',
      message: `the position of the reader ${JSON.stringify(name)} cannot be read: ${failure}`,
      hint: 'Remove the reader with removeReader(), or repair the chronicle: nothing is pruned until then.',
    }
  } else if (nextSeq < firstSeq) {
    yield {
      code: 'reader-behind',
      message: `the reader ${JSON.stringify(name)} is at ${nextSeq}, and messages below ${firstSeq} were pruned`,
      hint: `Go on with setReader(${JSON.stringify(name)}, ${firstSeq}), knowing that messages are gone.`,
    }
  } else if (limits.maxLag !== undefined && lag > limits.maxLag) {
    yield {
      code: 'reader-lag',
      message: `the reader ${JSON.stringify(name)} is ${lag} messages behind, more than ${limits.maxLag}`,
      hint: 'See whether its process runs and keeps up, or remove the reader if nobody needs it.',
    }
  }
}

function* ofFileSystem({ networkFs, copyOnWriteFs }: Stats): Iterable<HealthProblem> {
  if (networkFs !== undefined) {
    yield {
      code: 'network-fs',
      message: `the log is on ${networkFs}, where mapped memory is not coherent between hosts`,
      hint: 'Use a local disk, or make sure that one host alone uses the directory.',
    }
  }
  if (copyOnWriteFs !== undefined) {
    yield {
      code: 'copy-on-write-fs',
      message: `the log is on ${copyOnWriteFs}, where a write may meet a full disk in spite of allocated space`,
      hint: 'Keep space free, or use a file system that does not copy on write.',
    }
  }
}

/** What {@link Chronicle.stats} returns. */
export interface Stats {
  /** The first seq that is left; the next seq where the log is empty. */
  firstSeq: number
  /** The seq that the next message gets. */
  nextSeq: number
  /** Every message below this seq survives a power cut. */
  durableSeq: number
  /** How many segment files there are. */
  segments: number
  /** Bytes that the segment files take on the disk. A file is looked at until another segment has followed it for five seconds. */
  bytes: number
  /** The length in bytes that segments double up to. */
  segmentBytes: number
  /** How often the chronicle was opened for writing. */
  epoch: number
  /** The process that has the chronicle open for writing. */
  writerPid?: number
  /** The name of the file system, where it copies on write, so that a write may meet a full disk in spite of allocated space. */
  copyOnWriteFs?: string
  /** The name of the file system, where mapped memory is not coherent between hosts there: opened with `allowNetworkFs`. */
  networkFs?: string
  /**
   * Whether a writer has recovered the log since this boot (where boots are not known: has it open). Until then {@link nextSeq} is
   * where a recovery will cut it.
   */
  recovered: boolean
  /** Whether a flush failed since this boot and no opening for writing has come since: the writer of then is poisoned. */
  flushFailed: boolean
  /** Every named reader, in order of their names. */
  readers: ReaderInfo[]
  /** What taking the writer lock through this handle found and mended. */
  recovery?: Recovery
  /** Why the last prune after a roll removed nothing more, where it failed. The next roll tries again. */
  pruneFailure?: string
}

/** A named reader as others see it. */
export interface ReaderInfo {
  /** The name that was given to {@link Chronicle.tail}. */
  name: string
  /** The seq that it has still to read. */
  nextSeq: number
  /** How many messages that are there now it has not committed. */
  lag: number
  /** The process that uses it, where one does. */
  pid?: number
  /** Why its position cannot be read, where that is so: it keeps everything then, from the first message that is left. */
  failure?: string
}

/** What {@link Chronicle.prune} removed, or would remove. */
export interface PruneReport {
  /** How many segment files. */
  segments: number
  /** The bytes that they took on the disk. */
  bytes: number
  /** The first seq that is left. */
  firstSeq: number
}

/** What opening for writing found and did. */
export interface Recovery {
  /** Whether the last writer ran since this boot, so that nothing published can be missing. */
  sameBoot: boolean
  /** How many messages were walked and checked. */
  checkedMessages: number
  /** Messages of an incomplete batch at the end, which were dropped whole. */
  droppedBatchMessages: number
  /** The offset in the last segment from which a torn tail was cut. */
  cutAt?: number
  /** Copies of what was cut where valid messages stood behind it. */
  quarantined: string[]
  /** Whether a roll to a new segment that was interrupted was finished. */
  finishedRoll: boolean
  /** Named readers that had read messages which a power cut took, and were moved back to the end. In a repair, all that lay behind it. */
  movedReaders: string[]
}

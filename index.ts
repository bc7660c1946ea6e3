export { Chronicle } from './lib/chronicle.ts'
export { Claim } from './lib/claim.ts'
export { Cursor } from './lib/cursor.ts'
export { ChronicleError, errorCodes, type ChronicleErrorCode } from './lib/errors.ts'
export { MessageHeader, type MessageHeaderFields } from './lib/header.ts'
export { Message } from './lib/message.ts'
export { MmapFile } from './lib/mmapFile.ts'
export type {
  AcquireOptions,
  AppendOptions,
  BatchItem,
  BatchOptions,
  CursorOptions,
  DurableOptions,
  From,
  NextOptions,
  OpenOptions,
  Payload,
  PruneOptions,
  PublishOptions,
  ReadOptions,
  Retention,
  SyncOption,
  TailOptions,
  To,
} from './lib/options.ts'
export { MessageIterator, Reader } from './lib/reader.ts'
export type { PruneReport, ReaderInfo, Recovery, Stats } from './lib/stats.ts'
export { Tail } from './lib/tail.ts'
export { repair, verify, type Problem, type RepairReport, type VerifyReport } from './lib/verify.ts'
export type { BatchResult } from './lib/writer.ts'

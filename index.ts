import './lib/dispose.ts'

export {
  Channels,
  type ChannelAppendOptions,
  type ChannelItem,
  type ChannelMessage,
  type ChannelOptions,
  type ChannelTable,
  type Unlisted,
} from './lib/channels.ts'
export { Chronicle } from './lib/chronicle.ts'
export { Claim } from './lib/claim.ts'
export type { Codec } from './lib/codecs/codec.ts'
export { msgpack } from './lib/codecs/msgpack.ts'
export { json, raw, utf8 } from './lib/codecs/plain.ts'
export {
  withSchema,
  type SchemaIssue,
  type SchemaOptions,
  type SchemaResult,
  type StandardSchema,
  type Validate,
} from './lib/codecs/schema.ts'
export { Cursor } from './lib/cursor.ts'
export { ChronicleError, errorCodes, type ChronicleErrorCode } from './lib/errors.ts'
export { MessageHeader, type MessageHeaderFields } from './lib/header.ts'
export { Message } from './lib/message.ts'
export { MmapFile } from './lib/mmapFile.ts'
export type { CopyOptions, CopyProgress, CopyReport } from './lib/copy.ts'
export type {
  CorruptionEvent,
  DiagnosticsEvents,
  GapEvent,
  PruneEvent,
  RecoveryEvent,
  RollEvent,
  SyncEvent,
} from './lib/diagnostics.ts'
export type { Source, Timed } from './lib/lane.ts'
export type { Health, HealthCode, HealthOptions, HealthProblem } from './lib/health.ts'
export { merge, type Merge, type MergeOptions, type Merged, type MessageOf } from './lib/merge.ts'
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
export type { CorruptionOptions, OnCorruption, Skipped } from './lib/corruption.ts'
export type { WorkOptions, WorkProgress } from './lib/progress.ts'
export { MessageIterator, Reader } from './lib/reader.ts'
export type { PruneReport, ReaderInfo, Recovery, Stats } from './lib/stats.ts'
export type { EndingOptions, FollowOptions, ReadableOptions, WritableOptions } from './lib/streams/options.ts'
export { LogReadable } from './lib/streams/readable.ts'
export { LogWritable } from './lib/streams/writable.ts'
export { Tail } from './lib/tail.ts'
export type { SnapshotReport } from './lib/upkeep.ts'
export { repair, verify, type Problem, type RepairReport, type VerifyReport } from './lib/verify.ts'
export type { BatchResult } from './lib/writer.ts'

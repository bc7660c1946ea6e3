export { Chronicle, type Recovery, type Stats } from './lib/chronicle.ts'
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
  DurableOptions,
  From,
  NextOptions,
  OpenOptions,
  Payload,
  ReadOptions,
  SyncOption,
  TailOptions,
  To,
} from './lib/options.ts'
export { MessageIterator, Reader } from './lib/reader.ts'
export { Tail } from './lib/tail.ts'
export type { BatchResult } from './lib/writer.ts'

import type { Message } from '../message.ts'
import type { BatchOptions, ReadOptions, TailOptions } from '../options.ts'
import type { Reader } from '../reader.ts'
import type { Tail } from '../tail.ts'
import type { BatchResult } from '../writer.ts'
import type { ReadableOptions, WritableOptions } from './options.ts'
import { LogReadable } from './readable.ts'
import { readableStream, writableStream } from './web.ts'
import { LogWritable } from './writable.ts'

/** What reads messages of type `M` and appends chunks of type `C` has streams of both. */
export abstract class Streamed<M extends Message<unknown>, C> {
  abstract read(options?: ReadOptions): Reader<M>
  abstract tail(options?: TailOptions): Tail<M>
  abstract appendBatch(items: readonly C[], options?: BatchOptions): BatchResult
  abstract sync(): Promise<number>

  /**
   * A Node.js stream of the messages, or with `values` of their values: from the start to the head of the log by default, and with
   * `follow` from its end on, for ever.
   *
   * @throws {@link ChronicleError} `ERR_CHRONICLE_INVALID_ARGUMENT` and what {@link Chronicle.tail} throws; the stream is destroyed with
   * what reading throws.
   */
  readable(options: ReadableOptions & { values: true }): LogReadable<M['value']>
  readable(options?: ReadableOptions): LogReadable<M>
  readable(options?: ReadableOptions): LogReadable<unknown> {
    return new LogReadable(this, options)
  }

  /**
   * A Node.js stream that appends each chunk as a message. The first chunk takes the writer lock.
   *
   * @throws {@link ChronicleError} `ERR_CHRONICLE_INVALID_ARGUMENT`; the stream is destroyed with what {@link Chronicle.append} throws.
   */
  writable(options?: WritableOptions): LogWritable<C> {
    return new LogWritable(this, options)
  }

  /**
   * {@link readable} as a stream of the web. Cancelling it ends reading.
   *
   * @throws {@link ChronicleError} as {@link readable}.
   *
   * @example
   * ```ts
   * import { Chronicle, json } from 'chronicle-log'
   *
   * using log = Chronicle.open<number>('./numbers', { codec: json<number>() })
   * log.appendBatch([1, 2, 3])
   * for await (const value of log.readableStream({ values: true })) console.log(value)
   * ```
   */
  readableStream(options: ReadableOptions & { values: true }): ReadableStream<M['value']>
  readableStream(options?: ReadableOptions): ReadableStream<M>
  readableStream(options?: ReadableOptions): ReadableStream<unknown> {
    return readableStream(this, options)
  }

  /**
   * {@link writable} as a stream of the web. Its writes come one by one, so with `durable` each waits for a flush of its own; the
   * stream of Node.js shares them.
   *
   * @throws {@link ChronicleError} as {@link writable}.
   */
  writableStream(options?: WritableOptions): WritableStream<C> {
    return writableStream(this, options)
  }
}

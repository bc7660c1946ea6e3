import { checked, checkType, flag, signal, whole } from '../checks.ts'
import { invalidArgument } from '../errors.ts'
import type { ReadOptions, TailOptions } from '../options.ts'
import { tables } from '../tables.ts'

/** Options of a stream that is read from: those of {@link Chronicle.read}, or with `follow` those of {@link Chronicle.tail}. */
export type ReadableOptions = (EndingOptions | FollowOptions) & {
  /** Give the values instead of the messages. Not with a `name`, because only a message can be committed. Default: `false`. */
  values?: boolean | undefined
  /** How many messages are read ahead of who takes them, 1 to 1,048,576. Default: `16`. */
  highWaterMark?: number | undefined
  /** Ends the stream with `ERR_CHRONICLE_ABORTED`. */
  signal?: AbortSignal | undefined
}

/** Options of a stream that ends at the head. */
export interface EndingOptions extends ReadOptions {
  /** End at the head of the log. Default: `false`, so it does. */
  follow?: false | undefined
}

/** Options of a stream that goes on at the head. */
export interface FollowOptions extends TailOptions {
  /** Wait for what is appended rather than end at the head of the log. Default: `false`. */
  follow: true
}

/** Options of a stream that is written to. */
export interface WritableOptions {
  /** The type of the messages, 0 to 65,535. Not in a view of {@link Chronicle.types}, whose chunks name theirs. Default: `0`. */
  type?: number | undefined
  /**
   * Whether a chunk is done with when it survives a power cut, rather than when every reader sees it. So a stream that has
   * finished is durable. Default: `false`.
   */
  durable?: boolean | undefined
  /** How many chunks are held while others are appended, 1 to 1,048,576: then the writer is told to wait. Default: `256`. */
  highWaterMark?: number | undefined
  /** Ends the stream with `ERR_CHRONICLE_ABORTED`. */
  signal?: AbortSignal | undefined
}

const highWaterMark = whole(1, 2 ** 20)
const common = { values: flag, highWaterMark, signal }
const reading = { ...tables.read, follow: flag, ...common }
const following = { ...tables.tail, follow: flag, ...common }
const writing = { type: checkType, durable: flag, highWaterMark, signal }

/** What a stream does by itself, and what it asks of the log. */
export interface ReadPlan {
  values: boolean
  highWaterMark: number
  signal: AbortSignal | undefined
  /** Options of `tail`, or of `read`, already checked. */
  range: { follow: true; tail: TailOptions } | { follow: false; read: ReadOptions }
}

/** Checks the options of a stream that is read from. */
export function readPlan(options: unknown, call: string): ReadPlan {
  const follow = (options as { follow?: unknown } | undefined)?.follow === true
  if (!follow) {
    const { follow: _, values = false, highWaterMark = 16, signal, ...read } = checked(options, reading, call)
    return { values, highWaterMark, signal, range: { follow, read } }
  }
  const { follow: _, values = false, highWaterMark = 16, signal, ...tail } = checked(options, following, call)
  if (values && tail.name !== undefined) {
    throw invalidArgument('values cannot be committed: leave values or name out')
  }
  return { values, highWaterMark, signal, range: { follow, tail } }
}

/** What a stream that is written to does. */
export interface WritePlan {
  batch: { type?: number }
  durable: boolean
  highWaterMark: number
  signal: AbortSignal | undefined
}

/** Checks the options of a stream that is written to. */
export function writePlan(options: unknown, call: string): WritePlan {
  const { type, durable = false, highWaterMark = 256, signal } = checked(options, writing, call)
  return { batch: type === undefined ? {} : { type }, durable, highWaterMark, signal }
}

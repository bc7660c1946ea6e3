import { ChronicleError } from '../errors.ts'
import type { Message } from '../message.ts'
import type { BatchOptions, ReadOptions, TailOptions } from '../options.ts'
import type { ReadPlan } from './options.ts'

/** The most messages that a stream appends as one batch. */
const BATCH = 1024

/** What a stream reads from. */
export interface Readings {
  read(options?: ReadOptions): Iterable<Message<unknown>>
  tail(options?: TailOptions): AsyncIterator<Message<unknown>, undefined>
}

/** What a stream writes to. */
export interface Appender<C> {
  appendBatch(items: readonly C[], options?: BatchOptions): unknown
  sync(): Promise<number>
}

/** Messages one after the other: those that are there at once, those that are to come as a promise. */
export interface Feed {
  next(): Step | Promise<Step>
  /** Gives back what reading holds. */
  stop(): void
}

type Step = { done?: false | undefined; value: unknown } | { done: true; value: undefined }

/** Starts reading: from now on what is appended is not missed. */
export function feed(log: Readings, { range, values }: ReadPlan): Feed {
  const walk = range.follow ? log.tail(range.tail) : log.read(range.read)[Symbol.iterator]()
  const pick = ({ done, value }: IteratorResult<Message<unknown>, undefined>): Step =>
    done === true ? { done, value: undefined } : { value: values ? value.value : value }
  return {
    next() {
      const step = walk.next()
      return step instanceof Promise ? step.then(pick) : pick(step)
    },
    // A tail's promise is settled already: it closes before it returns.
    stop: () => void walk.return?.(),
  }
}

/**
 * Appends chunks in order, in batches. When it throws, those from some chunk on are not in the log.
 *
 * @throws {@link ChronicleError} as {@link Chronicle.appendBatch}.
 */
export function appendAll<C>(log: Appender<C>, chunks: readonly C[], options: BatchOptions): void {
  for (let at = 0; at < chunks.length; at += BATCH) appendSome(log, chunks.slice(at, at + BATCH), options)
}

/** Chunks come as one batch for speed only: where they are too large together, they need not be one. */
function appendSome<C>(log: Appender<C>, chunks: readonly C[], options: BatchOptions): void {
  try {
    log.appendBatch(chunks, options)
  } catch (error) {
    if (!(error instanceof ChronicleError) || error.code !== 'ERR_CHRONICLE_TOO_LARGE') throw error
    if (chunks.length === 1) throw error
    const middle = chunks.length >>> 1
    appendSome(log, chunks.slice(0, middle), options)
    appendSome(log, chunks.slice(middle), options)
  }
}

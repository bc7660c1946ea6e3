import { setImmediate as nextTurn } from 'node:timers/promises'

import { checked, flag, from, signal, to, type Check } from './checks.ts'
import type { Message } from './message.ts'
import type { BatchItem, From, ReadOptions, To } from './options.ts'
import { callback, refuseAborted } from './progress.ts'
import { Writer } from './writer.ts'

/** How long messages are copied before other work of the event loop gets its turn. */
const TURN_MS = 5

/** Options of {@link Chronicle.copyTo}. */
export interface CopyOptions {
  /** Where to begin. Default: `'start'`. */
  from?: From | undefined
  /** Where to end: the first message that is not copied. Default: the head of the log at the moment of the call. */
  to?: To | undefined
  /** Copy only what is durable. Default: `false`. */
  durableOnly?: boolean | undefined
  /** Called every few milliseconds while messages are copied, and once at the end. What it throws ends the copying. */
  onProgress?: ((progress: CopyProgress) => void) | undefined
  /** Ends the copying: the promise rejects with `ERR_CHRONICLE_ABORTED`. What was copied stays. */
  signal?: AbortSignal | undefined
}

/** How far a copy is. */
export interface CopyProgress {
  /** Messages that are copied. */
  messages: number
  /** Bytes of their payloads. */
  bytes: number
  /** The seq, in the log that is read, behind the last message that is copied. */
  nextSeq: number
  /** The seq at which the copy ends at the latest. */
  endSeq: number
}

/** What {@link Chronicle.copyTo} did. */
export interface CopyReport {
  /** How many messages were copied. */
  messages: number
  /** Bytes of their payloads. */
  bytes: number
  /** The seq of the first copy in the other log; none where nothing was copied. */
  first?: number
  /** The seq of the last copy in the other log; none where nothing was copied. */
  last?: number
}

const table = {
  from,
  to,
  durableOnly: flag,
  onProgress: callback<CopyProgress>,
  signal,
} satisfies Record<string, Check>

/** The log that is read. */
interface Original {
  readonly nextSeq: number
  read(options: ReadOptions): Iterable<Copied>
}

type Copied = Pick<Message, 'seq' | 'type' | 'length' | 'payload' | 'batchRemaining'>

/** Appends messages of a log to another one, whole batches at a time. */
export async function copy(original: Original, writer: () => Writer, options: unknown): Promise<CopyReport> {
  const { onProgress, signal: abort, ...range } = checked(options, table, 'copyTo')
  refuseAborted(abort)
  const endSeq = Math.min(original.nextSeq, typeof range.to === 'number' ? range.to : Infinity)
  const report: CopyReport = { messages: 0, bytes: 0 }
  const progress = (nextSeq: number) => {
    const { messages, bytes } = report
    onProgress?.({ messages, bytes, nextSeq, endSeq })
  }
  const target = writer()
  let batch: BatchItem[] = []
  let turnEnds = performance.now() + TURN_MS
  let seq = 0
  for (const message of original.read(range)) {
    if (message.seq >= endSeq) break
    batch.push({ payload: message.payload, type: message.type })
    report.bytes += message.length
    seq = message.seq + 1
    if (message.batchRemaining > 0 && seq < endSeq) continue
    append(target, batch, report)
    batch = []
    if (performance.now() < turnEnds) continue
    progress(seq)
    await nextTurn()
    refuseAborted(abort)
    turnEnds = performance.now() + TURN_MS
  }
  // A batch that a time cuts ends with the range.
  if (batch.length > 0) append(target, batch, report)
  progress(Math.max(seq, endSeq))
  return report
}

/** By the methods of the class itself: what the log holds are payloads already, and no codec is to be asked. */
function append(writer: Writer, batch: BatchItem[], report: CopyReport): void {
  const [{ payload, type }] = batch as [BatchItem]
  if (batch.length === 1) {
    report.last = Writer.prototype.append.call(writer, payload, { type })
    report.first ??= report.last
  } else {
    const { first, last } = Writer.prototype.appendBatch.call(writer, batch, undefined)
    report.first ??= first
    report.last = last
  }
  report.messages += batch.length
}

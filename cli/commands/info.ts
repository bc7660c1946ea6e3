import { basename, resolve } from 'node:path'

import { ChronicleError, type Chronicle, type Stats } from '../../index.ts'

import { command } from '../command.ts'
import { flag } from '../kinds.ts'
import { opening, openToRead } from '../open.ts'
import { bytes, columns, grouped, many } from '../style.ts'
import { isoTime } from '../time.ts'

export const info = command({
  name: 'info',
  usage: 'DIR',
  args: [1, 1],
  summary: 'Show what a chronicle holds: messages, times, files, writer and readers.',
  about: [],
  options: { json: flag('as JSON'), ...opening },
  examples: [
    ['chronicle info ./orders', 'what is in it'],
    ['chronicle info ./orders --json | jq .nextSeq', 'one figure, for a script'],
  ],
  run({ args: [dir = ''], options, out }) {
    using log = openToRead(dir, options)
    const stats = log.stats()
    const times = { firstTime: timeOf(log, false), lastTime: timeOf(log, true) }
    if (options.json === true)
      out.text(`${JSON.stringify({ path: log.path, ...stats, ...times }, null, 2)}\n`)
    else
      out.text(
        `${out.style.bold(basename(resolve(dir)))}\n${columns(rowsOf(stats, times)).replaceAll(/^/gm, '  ').trimEnd()}\n`,
      )
    return 0
  },
})

interface Times {
  readonly firstTime: string | undefined
  readonly lastTime: string | undefined
}

/** When the first or the last message was appended; in a damaged log, why that cannot be told. */
function timeOf(log: Chronicle, last: boolean): string | undefined {
  try {
    for (const message of log.read({ reverse: last, limit: 1 })) return isoTime(message.timestampNs)
    return undefined
  } catch (error) {
    if (!(error instanceof ChronicleError)) throw error
    return `cannot be read: ${error.code}`
  }
}

function rowsOf(stats: Stats, { firstTime, lastTime }: Times): string[][] {
  const { firstSeq, nextSeq, durableSeq, segments, segmentBytes, epoch, writerPid, readers, copyOnWriteFs } =
    stats
  const count = nextSeq - firstSeq
  const range = count === 0 ? 'none' : `${grouped(count)}, seq ${firstSeq} to ${nextSeq - 1}`
  const unflushed = nextSeq - Math.min(nextSeq, durableSeq)
  return [
    ['messages', range],
    ['next seq', String(nextSeq)],
    ...(firstTime === undefined ? [] : [['first', firstTime]]),
    ...(lastTime === undefined ? [] : [['last', lastTime]]),
    ['durable', unflushed === 0 ? 'all' : `all but the last ${grouped(unflushed)}`],
    ['files', `${many(segments, 'segment')}, ${bytes(stats.bytes)} on the disk`],
    ['segments', `up to ${bytes(segmentBytes)} each`],
    ['writer', writerPid === undefined ? 'none' : `process ${writerPid}`],
    ['openings', grouped(epoch)],
    ...(copyOnWriteFs === undefined
      ? []
      : [['note', `${copyOnWriteFs} copies on write: a write may meet a full disk`]]),
    ...readers.map(({ name, nextSeq, lag }) => ['reader', `${name} at ${nextSeq}, ${grouped(lag)} to read`]),
  ]
}

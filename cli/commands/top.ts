import { basename } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

import type { Chronicle, Stats } from '../../index.ts'

import { command } from '../command.ts'
import { duration, flag } from '../kinds.ts'
import { opening, openToRead } from '../open.ts'
import type { Output } from '../output.ts'
import { Signals } from '../signals.ts'
import { bytes, columns, grouped, many, rate, type Style } from '../style.ts'

const HOME = '\u001B[H'
const CLEAR_LINE = '\u001B[K'
const CLEAR_BELOW = '\u001B[J'
const ENTER = '\u001B[?1049h\u001B[?25l'
const LEAVE = '\u001B[?25h\u001B[?1049l'

export const top = command({
  name: 'top',
  usage: 'DIR',
  args: [1, 1],
  summary: 'Show live how fast the log grows, what is durable, and how far its readers are.',
  about: ['Ctrl-C ends it. Where standard output is no terminal, each look is printed below the one before.'],
  options: {
    interval: duration('how long between two looks; 1s by default', { least: 10, most: 2 ** 31 - 1 }),
    once: flag('look for one interval, print and end'),
    ...opening,
  },
  examples: [['chronicle top ./orders', 'watch it']],
  async run({ args: [dir = ''], options: { interval = 1000, once = false, ...options }, out }) {
    using log = openToRead(dir, options)
    const stop = new AbortController()
    const signals = new Signals(() => stop.abort())
    const screen = out.terminal && !once
    if (screen) out.text(ENTER)
    try {
      await watch(log, { interval, once, screen, signal: stop.signal }, out)
    } finally {
      if (screen) out.text(LEAVE)
      await out.flush()
      signals.restore()
    }
    signals.pass()
    return 0
  },
})

interface Watching {
  readonly interval: number
  readonly once: boolean
  readonly screen: boolean
  readonly signal: AbortSignal
}

/** What is known at a moment. */
interface Look {
  readonly at: number
  readonly stats: Stats
}

async function watch(
  log: Chronicle,
  { interval, once, screen, signal }: Watching,
  out: Output,
): Promise<void> {
  const look = (): Look => ({ at: performance.now(), stats: log.stats() })
  const show = async (text: string) => {
    if (screen) out.text(`${HOME}${text.replaceAll('\n', `${CLEAR_LINE}\n`)}${CLEAR_BELOW}`)
    else out.text(once ? text : `${text}\n`)
    await out.flush()
  }
  let before = look()
  // A screen is not left empty until there is a rate to show.
  if (screen) await show(draw(log.path, before, before, out.style))
  for (;;) {
    // The signal ends the pause, and the loop with it.
    await pause(interval, undefined, { signal }).catch(() => undefined)
    if (signal.aborted) return
    const now = look()
    await show(draw(log.path, before, now, out.style))
    if (once) return
    before = now
  }
}

function draw(path: string, before: Look, { at, stats }: Look, style: Style): string {
  const { firstSeq, nextSeq, durableSeq, segments, writerPid, readers } = stats
  const ms = at - before.at
  const positions = new Map(before.stats.readers.map((reader) => [reader.name, reader.nextSeq]))
  const unflushed = nextSeq - Math.min(nextSeq, durableSeq)
  const figures = [
    ['rate', rate(nextSeq - before.stats.nextSeq, ms)],
    ['head', String(nextSeq)],
    ['durable', `${durableSeq}${unflushed === 0 ? '' : ` (${grouped(unflushed)} behind)`}`],
    ['messages', `${grouped(nextSeq - firstSeq)} from ${firstSeq}`],
    ['segments', `${many(segments, 'file')}, ${bytes(stats.bytes)}`],
    ['writer', writerPid === undefined ? 'none' : `process ${writerPid}`],
  ]
  const rows = readers.map(({ name, nextSeq, lag, pid }) => [
    name,
    String(nextSeq),
    grouped(lag),
    rate(nextSeq - (positions.get(name) ?? nextSeq), ms),
    pid === undefined ? '' : String(pid),
  ])
  const table =
    rows.length === 0
      ? 'no named reader\n'
      : columns([['reader', 'next seq', 'to read', 'rate', 'process'], ...rows], [1, 2, 3, 4])
  return `${style.bold(basename(path))}  ${style.dim(path)}\n${columns(figures)}\n${table}`
}

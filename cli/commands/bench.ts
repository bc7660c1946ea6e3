import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { Chronicle } from '../../index.ts'

import { command } from '../command.ts'
import { byteCount, flag, sync, whole } from '../kinds.ts'
import { bytes, columns, grouped, many, rate } from '../style.ts'

const BATCH = 256

export const bench = command({
  name: 'bench',
  usage: '[PARENT]',
  args: [0, 1],
  summary: 'Measure how fast this machine appends and reads, once, in a directory that is removed again.',
  about: [
    'The directory is made in PARENT, or where temporary files go. One process does one thing after the other; every read',
    'verifies both checksums. The flush at the end of appending is measured apart.',
  ],
  options: {
    messages: whole('N', 'how many messages; 200000 by default', {
      least: 1,
      most: 1_000_000_000,
      short: 'n',
    }),
    size: byteCount('how long each one is; 64 bytes by default'),
    sync: sync('when to flush meanwhile; every 1s by default'),
    json: flag('as JSON'),
  },
  examples: [['chronicle bench . --size 1k', 'messages of 1 KiB, on the disk of this directory']],
  async run({ args: [parent = tmpdir()], options, out }) {
    const { messages = 200_000, size = 64, sync, json = false } = options
    const folder = mkdtempSync(join(parent, 'chronicle-bench-'))
    try {
      const results = await measure(join(folder, 'log'), messages, Buffer.alloc(size, 'x'), sync)
      if (json) out.text(`${JSON.stringify({ messages, size, results }, null, 2)}\n`)
      else {
        const rows = results.map(({ what, messages, ms }) => [
          what,
          `${ms.toFixed(1)} ms`,
          messages === 0 ? '' : rate(messages, ms),
          messages === 0 ? '' : `${grouped(Math.round((ms / messages) * 1e6))} ns each`,
        ])
        out.text(`${many(messages, 'message')} of ${bytes(size)}\n${columns(rows, [1, 2, 3])}`)
      }
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
    return 0
  },
})

interface Result {
  readonly what: string
  /** How many messages it is about: 0 where it is not about so many. */
  readonly messages: number
  readonly ms: number
}

async function measure(
  dir: string,
  messages: number,
  payload: Buffer,
  sync: NonNullable<Parameters<typeof Chronicle.open>[1]>['sync'],
): Promise<Result[]> {
  const results: Result[] = []
  const timed = async (what: string, messages: number, work: () => void | Promise<unknown>) => {
    const start = performance.now()
    await work()
    results.push({ what, messages, ms: performance.now() - start })
  }
  using log = Chronicle.open(dir, { sync })
  log.acquire()
  await timed('append', messages, () => {
    for (let count = 0; count < messages; count++) log.append(payload)
  })
  await timed('flush', 0, () => log.sync())
  const batch = Array.from({ length: BATCH }, () => payload)
  const batches = Math.ceil(messages / BATCH)
  await timed(`append, ${BATCH} a batch`, batches * BATCH, () => {
    for (let count = 0; count < batches; count++) log.appendBatch(batch)
  })
  await timed('flush', 0, () => log.sync())
  let read = 0
  await timed('read by cursor', log.nextSeq, () => {
    using cursor = log.cursor()
    while (cursor.next()) read += cursor.length
  })
  if (read !== log.nextSeq * payload.length) throw new Error('not every message was read')
  return results
}

import { statfsSync } from 'node:fs'

import { fillLog } from '../fill.ts'
import { medianMs, type Group, type Job, type Options, type Outcome, type Part } from '../measure.ts'

const SIZE = 4096
const SEEKS = 1000

function groups({ full }: Options): Group[] {
  const gib = full ? 10 : 1
  const name = 'log'
  const target = (what: string, must: number, aim: number) =>
    ({ what, line: `${name}: ${what}`, against: 'limit', must, aim }) as const
  return [
    {
      title: `opening ${gib} GiB, and seeking in it`,
      unit: 'ms',
      rounds: 1,
      contenders: [{ name, kind: 'ours', job: { part: 'open', gib } }],
      targets: [
        target('open for reading', 50, 5),
        target('open for writing', 50, 5),
        target('seek by seq', 1, 0.05),
        target('seek by time', 1, 0.05),
      ],
    },
  ]
}

async function run(job: Job, dir: string): Promise<Outcome> {
  const bytes = Number(job['gib']) * 2 ** 30
  const { bavail, bsize } = statfsSync(dir)
  if (bavail * bsize < bytes * 1.2) throw new Error(`no room for ${bytes} bytes`)
  await fillLog(dir, bytes, SIZE)
  const { openLog } = await import('../peers/chronicle.ts')
  const reading = medianMs(15, () => {
    const log = openLog(dir, { readOnly: true })
    if (log.nextSeq * SIZE < bytes) throw new Error('messages are missing: wrong answer')
    log.close()
  })
  const writing = medianMs(15, () => {
    const log = openLog(dir)
    log.acquire()
    log.close()
  })
  const log = openLog(dir, { readOnly: true })
  const count = log.nextSeq
  const place = (index: number) => (index * 7_368_787) % count
  const seek = (from: number | bigint) => {
    const cursor = log.cursor({ from, limit: 1 })
    if (!cursor.next()) throw new Error('a seek found nothing: wrong answer')
    const { seq, timestampNs } = cursor
    cursor.close()
    return { seq, timestampNs }
  }
  const bySeq = medianMs(SEEKS, (index) => {
    if (seek(place(index)).seq !== place(index)) throw new Error('a seek went astray: wrong answer')
  })
  const stamps = Array.from({ length: SEEKS }, (_, index) => seek(place(index)).timestampNs)
  const byTime = medianMs(SEEKS, (index) => {
    if (seek(stamps[index]!).timestampNs !== stamps[index])
      throw new Error('a seek went astray: wrong answer')
  })
  log.close()
  return {
    values: {
      'open for reading': reading,
      'open for writing': writing,
      'seek by seq': bySeq,
      'seek by time': byTime,
    },
  }
}

export const part: Part = { groups, run }

/** The process that records: appends the rows of a file to the log, from where the log ends. */
import { setTimeout as pause } from 'node:timers/promises'

import { Chronicle } from '../index.ts'
import { obeyParent, tell } from './link.ts'
import { readRows } from './rows.ts'

/** The rows come in so many turns with a pause between them, as if from somewhere: otherwise all would be over at once. */
const TURNS = 2000
const PAUSE_MS = 1

const [dir = '', path = '', count = '', task = ''] = process.argv.slice(2)
const rows = Number(count)
// One that is to be killed leaves the last row to the next, so that on no machine, however slow, it ends before it is killed.
const end = task === 'finish' ? rows : rows - 1
const rowsPerTurn = Math.ceil(rows / TURNS)

/** The median of what a measurement of nothing shows: so much of every measured time is the clock's own. */
function clockNs(): number {
  const times = Array.from({ length: 10_001 }, () => {
    const start = performance.now()
    return performance.now() - start
  })
  return times.toSorted((a, b) => a - b)[5000]! * 1e6
}

async function record(log: Chronicle): Promise<void> {
  let times: number[] = []
  const first = log.nextSeq
  let row = 0
  for (const bytes of readRows(path)) {
    if (row >= end) break
    if (row >= first) {
      const start = performance.now()
      log.append(bytes, { expectedSeq: row })
      times.push(Math.round((performance.now() - start) * 1e6))
      if (times.length >= rowsPerTurn) {
        await tell({ appendNs: times })
        times = []
        await pause(PAUSE_MS)
      }
    }
    row++
  }
  if (row < end) throw new Error(`the rows have become fewer: ${row} of ${rows} are left`)
  await tell({ appendNs: times })
}

obeyParent()
const log = Chronicle.open(dir)
log.acquire({ wait: 10_000 })
await tell({ ready: { row: log.nextSeq, clockNs: clockNs() } })
await record(log)
if (task === 'finish') {
  log.close()
  process.exit(0)
}

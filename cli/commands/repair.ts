import { repair as repairLog, type RepairReport } from '../../index.ts'

import { command } from '../command.ts'
import { flag } from '../kinds.ts'
import { waiting } from '../progress.ts'
import { many } from '../style.ts'

export const repair = command({
  name: 'repair',
  usage: 'DIR',
  args: [1, 1],
  summary: 'Make a damaged chronicle usable again, at the cost of what stands behind the damage.',
  about: [
    'A log has no holes: it is cut at its first damage. Everything that is changed or removed is kept in DIR/quarantine.',
    'A chronicle without damage stays as it is. No process may have it open for writing.',
  ],
  options: { json: flag('as JSON') },
  examples: [['chronicle verify ./orders || chronicle repair ./orders', 'repair what is not sound']],
  async run({ args: [dir = ''], options, out }) {
    const report = await waiting('repairing', repairLog(dir))
    out.text(options.json === true ? `${JSON.stringify(report, null, 2)}\n` : describe(dir, report))
    return 0
  },
})

function describe(dir: string, report: RepairReport): string {
  const { rebuiltControl, lostFrom, lostTo, quarantined, lostReaders, rebuiltIndexes, recovery } = report
  const { droppedBatchMessages, cutAt, finishedRoll, movedReaders } = recovery
  const done = [
    ...(rebuiltControl ? ['the control file was made again from the segments'] : []),
    ...(lostFrom === undefined ? [] : [lost(lostFrom, lostTo)]),
    ...(lostReaders.length === 0 ? [] : [`lost positions, which start anew: ${lostReaders.join(', ')}`]),
    ...(rebuiltIndexes === 0 ? [] : [`${many(rebuiltIndexes, 'index', 'indexes')} made again`]),
    ...(droppedBatchMessages === 0
      ? []
      : [`${many(droppedBatchMessages, 'message')} of an unfinished batch dropped`]),
    ...(cutAt === undefined ? [] : [`an unfinished end was cut at offset ${cutAt} of the last segment`]),
    ...(finishedRoll ? ['a roll to a new segment was finished'] : []),
    ...(movedReaders.length === 0 ? [] : [`moved back to the end: ${movedReaders.join(', ')}`]),
    ...[...quarantined, ...recovery.quarantined].map((path) => `kept: ${path}`),
  ]
  if (done.length === 0) return `${dir}: there was nothing to repair\n`
  return `${dir} is repaired\n${done.map((line) => `  ${line}\n`).join('')}`
}

function lost(from: number, to: number | undefined): string {
  if (to === undefined) return `lost: seq ${from} and what came behind it`
  return to - from === 1 ? `lost: seq ${from}` : `lost: seq ${from} to ${to - 1}`
}

import type { Chronicle } from '../../index.ts'

import { command } from '../command.ts'
import { UsageError } from '../errors.ts'
import { flag } from '../kinds.ts'
import { opening, openToManage, openToRead } from '../open.ts'
import type { Output } from '../output.ts'
import { parsePlace, seqAt } from '../place.ts'
import { columns, grouped } from '../style.ts'

export const readers = command({
  name: 'readers',
  usage: 'DIR [remove NAME | set NAME PLACE]',
  args: [1, 4],
  words: ['remove', 'set'],
  summary: 'List named readers with what they have still to read; remove one, or move it.',
  about: [
    'A reader keeps what it has not read from being pruned. "remove" forgets it; "set" moves it, or makes one, so that it',
    'reads the message at PLACE next. Neither works while a process uses the name.',
  ],
  options: { json: flag('the list as JSON'), ...opening },
  examples: [
    ['chronicle readers ./orders', 'who has read how far'],
    ['chronicle readers ./orders set billing start', 'let billing read everything again'],
    ['chronicle readers ./orders remove billing', 'forget billing'],
  ],
  run({ args: [dir = '', action, name, place, ...rest], options, out }) {
    if (action === undefined) {
      using log = openToRead(dir, options)
      list(log, options.json === true, out)
      return 0
    }
    if (action !== 'remove' && action !== 'set') {
      throw new UsageError(`readers knows remove and set, got ${JSON.stringify(action)}`)
    }
    if (name === undefined) throw new UsageError(`the NAME of the reader to ${action} is missing`)
    if (rest.length > 0 || (action === 'remove' && place !== undefined)) {
      throw new UsageError(`there is an argument too many: readers DIR ${action} NAME`)
    }
    if (action === 'remove') {
      using log = openToManage(dir, options)
      log.removeReader(name)
      return 0
    }
    const to = place === undefined ? undefined : parsePlace(place)
    if (to === undefined) throw new UsageError('set must have a PLACE: a seq, -N, start, end or a time')
    using log = openToManage(dir, options)
    log.setReader(name, seqAt(log, to))
    return 0
  },
})

function list(log: Chronicle, json: boolean, out: Output): void {
  const all = log.readers()
  if (json) {
    out.text(`${JSON.stringify(all, null, 2)}\n`)
    return
  }
  if (all.length === 0) out.text('no named reader\n')
  else out.text(readerTable(log))
}

/** Named readers as a table. */
export function readerTable(log: Chronicle): string {
  const rows = log
    .readers()
    .map(({ name, nextSeq, lag, pid }) => [
      name,
      String(nextSeq),
      grouped(lag),
      pid === undefined ? '' : String(pid),
    ])
  return columns([['reader', 'next seq', 'to read', 'process'], ...rows], [1, 2, 3])
}

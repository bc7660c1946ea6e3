import { command } from '../command.ts'
import { messageTypes, place } from '../kinds.ts'
import { opening, openToRead } from '../open.ts'
import { seqAt } from '../place.ts'

export const count = command({
  name: 'count',
  usage: 'DIR',
  args: [1, 1],
  summary: 'Count messages. Without --type nothing is read.',
  about: [],
  options: {
    from: place('where to begin; start by default'),
    to: place('where to end: the first message not counted; the end by default'),
    type: messageTypes('only messages of these types'),
    ...opening,
  },
  examples: [['chronicle count ./orders --from 24h --type 1,2', 'types 1 and 2, of the last day']],
  run({ args: [dir = ''], options: { from = 'start', to = 'end', type, ...options }, out }) {
    using log = openToRead(dir, options)
    const first = Math.max(log.firstSeq, seqAt(log, from))
    const end = Math.max(first, Math.min(log.nextSeq, seqAt(log, to)))
    let count = end - first
    if (type !== undefined) {
      count = 0
      using cursor = log.cursor({ from: first, to: end })
      while (cursor.next()) if (type.has(cursor.type)) count++
    }
    out.text(`${count}\n`)
    return 0
  },
})

import { command } from '../command.ts'
import { place } from '../kinds.ts'
import { opening, openToRead } from '../open.ts'
import { seqAt } from '../place.ts'
import { Progress } from '../progress.ts'
import { recordOf } from '../record.ts'

export const exportCommand = command({
  name: 'export',
  usage: 'DIR',
  args: [1, 1],
  summary: 'Write messages as lines of JSON that "import" reads back exactly.',
  about: [
    'A line has seq, time (to the nanosecond), type, text where the payload is UTF-8 and base64 where it is not, and',
    'batchRemaining within a batch: how many messages of it follow. It goes to the end that the log had at the start.',
    'Times are exported and cannot be imported: a message has the time of its append.',
  ],
  options: {
    from: place('where to begin; start by default'),
    to: place('where to end: the first message not exported; the end by default'),
    ...opening,
  },
  examples: [
    ['chronicle export ./orders | gzip > orders.ndjson.gz', 'everything into a file'],
    ['chronicle export ./orders | chronicle import ./copy', 'a copy with the same messages'],
  ],
  async run({ args: [dir = ''], options: { from = 'start', to = 'end', ...options }, out }) {
    using log = openToRead(dir, options)
    const end = Math.min(log.nextSeq, seqAt(log, to))
    const progress = new Progress('exporting')
    for (const message of log.read({ from, to: end })) {
      // A batch that is cut by the end is exported as what is left of it, so that its import finds it whole.
      const batchRemaining = Math.min(message.batchRemaining, end - 1 - message.seq)
      progress.add(message.length)
      if (out.text(`${JSON.stringify(recordOf(message, batchRemaining))}\n`)) await out.flush()
    }
    await out.flush()
    progress.end('exported')
    return 0
  },
})

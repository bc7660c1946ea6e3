import { command } from '../command.ts'
import { flag } from '../kinds.ts'
import { opening, openToRead } from '../open.ts'

export const head = command({
  name: 'head',
  usage: 'DIR',
  args: [1, 1],
  summary: 'Print the head of the log: the seq that the next message gets.',
  about: [],
  options: {
    durable: flag('the first seq that a power cut can still take instead'),
    json: flag('firstSeq, nextSeq and durableSeq as JSON'),
    ...opening,
  },
  examples: [['chronicle head ./orders', 'how far it has come']],
  run({ args: [dir = ''], options, out }) {
    using log = openToRead(dir, options)
    const { firstSeq, nextSeq, durableSeq } = log
    if (options.json === true) out.text(`${JSON.stringify({ firstSeq, nextSeq, durableSeq })}\n`)
    else out.text(`${options.durable === true ? durableSeq : nextSeq}\n`)
    return 0
  },
})

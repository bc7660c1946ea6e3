import { command } from '../command.ts'
import { Failure, UsageError } from '../errors.ts'
import { time } from '../kinds.ts'
import { opening, openToRead } from '../open.ts'
import { seqAt } from '../place.ts'
import { isoTime } from '../time.ts'

export const seek = command({
  name: 'seek',
  usage: 'DIR --time TIME',
  args: [1, 1],
  summary: 'Print the seq of the first message at a time or later.',
  about: [
    'TIME is 2026-01-31T12:00:00Z with up to nine decimals, UTC unless it says otherwise, or a duration ago: 10m.',
    'Exit code 1 where no message is as late.',
  ],
  options: { time: time('the time to look for'), ...opening },
  examples: [['chronicle seek ./orders --time 2026-01-31T12:00:00+01:00', 'where noon begins']],
  run({ args: [dir = ''], options, out }) {
    if (options.time === undefined) throw new UsageError('--time is missing')
    using log = openToRead(dir, options)
    const seq = seqAt(log, options.time)
    if (seq >= log.nextSeq) {
      throw new Failure(
        `no message is as late as ${isoTime(options.time)}`,
        `The next message gets seq ${seq}.`,
      )
    }
    out.text(`${seq}\n`)
    return 0
  },
})

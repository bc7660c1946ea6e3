import { command } from '../command.ts'
import { UsageError } from '../errors.ts'
import { byteCount, duration, flag, whole } from '../kinds.ts'
import { opening, openToManage, openToRead } from '../open.ts'
import { bytes, many } from '../style.ts'

export const prune = command({
  name: 'prune',
  usage: 'DIR',
  args: [1, 1],
  summary: 'Remove old segment files, oldest first.',
  about: [
    'A segment goes, whole, when any limit that is given no longer keeps it, unless a named reader has still to read it.',
    'The segment that is appended to always stays. Processes may write and read meanwhile.',
  ],
  options: {
    'keep-bytes': byteCount('segments go until the rest takes no more than this on the disk'),
    'keep-time': duration('segments go whose last message is older than this'),
    'keep-messages': whole('N', 'segments go that hold none of this many last messages'),
    'keep-unread': flag('alone: what all named readers have read goes'),
    'drop-unread': flag('what named readers have still to read may go too'),
    'dry-run': flag('remove nothing, and tell what would go'),
    json: flag('as JSON'),
    ...opening,
  },
  examples: [
    ['chronicle prune ./orders --keep-time 7d --dry-run', 'what would go of what is older than a week'],
    ['chronicle prune ./orders --keep-bytes 10g', 'no more than 10 GiB'],
  ],
  run({ args: [dir = ''], options, out }) {
    const { 'keep-bytes': keepBytes, 'keep-time': keepMs, 'keep-messages': keepMessages } = options
    const { 'dry-run': dryRun = false, 'keep-unread': keep = false, 'drop-unread': drop = false } = options
    if (keep && drop) throw new UsageError('--keep-unread and --drop-unread exclude each other')
    if (!keep && keepBytes === undefined && keepMs === undefined && keepMessages === undefined) {
      throw new UsageError('a limit is missing: --keep-bytes, --keep-time, --keep-messages or --keep-unread')
    }
    const keepUnread = keep ? true : drop ? false : undefined
    using log = dryRun ? openToRead(dir, options) : openToManage(dir, options)
    const report = log.prune({ keepBytes, keepMs, keepMessages, keepUnread, dryRun })
    if (options.json === true) {
      out.text(`${JSON.stringify(report, null, 2)}\n`)
      return 0
    }
    const did = dryRun ? 'would remove' : 'removed'
    const what = `${many(report.segments, 'segment')}, ${bytes(report.bytes)}`
    out.text(`${did} ${what}; the first seq ${dryRun ? 'would be' : 'is'} ${report.firstSeq}\n`)
    return 0
  },
})

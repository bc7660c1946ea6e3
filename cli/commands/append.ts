import type { BatchItem, Chronicle } from '../../index.ts'

import { command, type Values } from '../command.ts'
import { Failure, PartlyDone } from '../errors.ts'
import { byteCount, flag, messageType, sync, whole } from '../kinds.ts'
import { lines } from '../lines.ts'
import { openToAppend, writing } from '../open.ts'
import { Progress } from '../progress.ts'
import { parseJson } from '../record.ts'

const options = {
  batch: whole('N', 'append so many lines at a time, all of them or none', { least: 1, most: 1_000_000 }),
  json: flag('end at the first line that is not JSON'),
  type: messageType('the type of the messages, 0 to 65535; 0 by default'),
  sync: sync('when to flush to the disk unasked; every 1s by default, and at the end unless none'),
  'segment-bytes': byteCount('how long segment files become, 64k to 4g'),
  ...writing,
}

export const append = command({
  name: 'append',
  usage: 'DIR',
  args: [1, 1],
  summary: 'Append each line of standard input as a message.',
  about: [
    'A line ends at a line feed, which is not part of the message; an empty line is an empty message. Bytes stay as',
    'they are. Where there is no chronicle it is created. On a terminal the progress is shown on standard error.',
  ],
  options,
  examples: [
    ['echo hello | chronicle append ./orders --type 1', 'one message'],
    ['generate | chronicle append ./orders --json --batch 100', 'lines of JSON, a hundred at a time'],
  ],
  async run({ args: [dir = ''], options }) {
    using log = openToAppend(dir, options, { sync: options.sync, segmentBytes: options['segment-bytes'] })
    const first = log.nextSeq
    const progress = new Progress('appending')
    try {
      await appendLines(log, options, progress)
    } catch (error) {
      progress.clear()
      throw new PartlyDone(error, log.nextSeq - first)
    }
    const next = log.nextSeq
    progress.end('appended', next > first ? `, seq ${first} to ${next - 1}` : '')
    return 0
  },
})

type AppendValues = Values<typeof options>

async function appendLines(log: Chronicle, options: AppendValues, progress: Progress): Promise<void> {
  const { batch = 1, json = false, type = 0 } = options
  let gathered: BatchItem[] = []
  let number = 0
  const flush = () => {
    if (gathered.length > 0) log.appendBatch(gathered)
    gathered = []
  }
  for await (const some of lines(process.stdin)) {
    for (const line of some) {
      number++
      if (json) checkJson(line, number)
      progress.add(line.length)
      if (batch === 1) log.append(line, { type })
      else if (gathered.push({ payload: line, type }) === batch) flush()
    }
  }
  flush()
}

function checkJson(line: Buffer, number: number): void {
  try {
    parseJson(line)
  } catch (error) {
    throw new Failure(`line ${number} is not JSON: ${(error as Error).message}`)
  }
}

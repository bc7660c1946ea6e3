import { createReadStream } from 'node:fs'
import { access } from 'node:fs/promises'

import type { BatchItem, Chronicle } from '../../index.ts'

import { command } from '../command.ts'
import { Failure, PartlyDone } from '../errors.ts'
import { byteCount, flag, sync } from '../kinds.ts'
import { lines } from '../lines.ts'
import { openToAppend, writing } from '../open.ts'
import { Progress } from '../progress.ts'
import { readRecord, type Imported } from '../record.ts'
import { many } from '../style.ts'

export const importCommand = command({
  name: 'import',
  usage: 'DIR [FILE]',
  args: [1, 2],
  summary: 'Append what "export" wrote, from a file or standard input.',
  about: [
    'Each line is a JSON object with text or base64, and optionally type and batchRemaining; what else it has is not looked',
    'at. Payloads and types are as they were, and a batch is appended as one: all of it or nothing. Seqs go on where the',
    'chronicle stands, so they are as they were only with --same-seq, and messages get the time of the import.',
  ],
  options: {
    'same-seq': flag('end where a message would not get the seq that it was exported with'),
    sync: sync('when to flush to the disk unasked; every 1s by default, and at the end unless none'),
    'segment-bytes': byteCount('how long segment files become, 64k to 4g'),
    ...writing,
  },
  examples: [
    ['gunzip < orders.ndjson.gz | chronicle import ./restored --same-seq', 'what was exported, as it was'],
  ],
  async run({ args: [dir = '', file], options }) {
    const piped = file === undefined || file === '-'
    // Where the file is missing no chronicle is made.
    if (!piped) await access(file)
    using log = openToAppend(dir, options, { sync: options.sync, segmentBytes: options['segment-bytes'] })
    const first = log.nextSeq
    const progress = new Progress('importing')
    try {
      const input = piped ? process.stdin : createReadStream(file)
      await importLines(log, input, options['same-seq'] === true, progress)
    } catch (error) {
      progress.clear()
      throw new PartlyDone(error, log.nextSeq - first)
    }
    progress.end('imported')
    return 0
  },
})

async function importLines(
  log: Chronicle,
  input: AsyncIterable<Buffer>,
  sameSeq: boolean,
  progress: Progress,
): Promise<void> {
  let batch: BatchItem[] = []
  let awaited = 0
  let number = 0
  for await (const some of lines(input)) {
    for (const line of some) {
      const where = `line ${++number}`
      const record = readRecord(line, where)
      checkOrder(record, batch.length, awaited, where)
      if (sameSeq) checkSeq(record, log.nextSeq + batch.length, where)
      const { payload, type = 0, batchRemaining } = record
      progress.add(line.length)
      awaited = batchRemaining - 1
      if (batch.length === 0 && batchRemaining === 0) {
        log.append(payload, { type })
        continue
      }
      batch.push({ payload, type })
      if (batchRemaining > 0) continue
      log.appendBatch(batch)
      batch = []
    }
  }
  if (batch.length > 0)
    throw new Failure(`the input ends within a batch: ${many(awaited + 1, 'message')} of it missing`)
}

/** Within a batch, each message says that one fewer follows. */
function checkOrder({ batchRemaining }: Imported, gathered: number, awaited: number, where: string): void {
  if (gathered > 0 && batchRemaining !== awaited) {
    throw new Failure(`${where}: batchRemaining must be ${awaited} here, got ${batchRemaining}`)
  }
}

function checkSeq({ seq }: Imported, next: number, where: string): void {
  if (seq !== next)
    throw new Failure(`${where} has ${seq === undefined ? 'no seq' : `seq ${seq}`}, and would get ${next}`)
}

// A pool of workers that read one log. Each reads all of it by a cursor, which copies nothing but what is looked at, and takes every nth
// message; nobody hands out work, and no message crosses between threads. Here they count the words of a text, a line a message.
//
//   node pool.ts FILE [folder] [workers]
import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'

import { Chronicle } from 'chronicle-log'

interface Share {
  folder: string
  /** This worker takes the messages whose seq is `index` modulo `count`. */
  index: number
  count: number
  /** The first message that is not read. */
  to: number
}

type Counts = Map<string, number>

/** What a worker does. */
function countWords({ folder, index, count, to }: Share): Counts {
  const log = Chronicle.open(folder, { readOnly: true })
  const words: Counts = new Map()
  const cursor = log.cursor({ to })
  while (cursor.next()) {
    if (cursor.seq % count !== index) continue
    for (const [word] of cursor
      .text()
      .toLowerCase()
      .matchAll(/\p{L}+/gu)) {
      words.set(word, (words.get(word) ?? 0) + 1)
    }
  }
  log.close()
  return words
}

/** Runs a worker and answers what it has counted. */
async function run(share: Share): Promise<Counts> {
  const worker = new Worker(fileURLToPath(import.meta.url), { workerData: share })
  const [counts] = (await once(worker, 'message')) as [Counts]
  return counts
}

async function main(file: string | undefined, folder: string, count: number): Promise<void> {
  if (file === undefined) throw new Error('pool.ts FILE [folder] [workers]')
  const log = Chronicle.open(folder)
  if (log.nextSeq === 0) await pipeline(createInterface({ input: createReadStream(file) }), log.writable())

  const shares = Array.from({ length: count }, (_, index) => ({ folder, index, count, to: log.nextSeq }))
  const total: Counts = new Map()
  for (const counts of await Promise.all(shares.map((share) => run(share)))) {
    for (const [word, times] of counts) total.set(word, (total.get(word) ?? 0) + times)
  }
  const most = [...total].toSorted((one, other) => other[1] - one[1] || one[0].localeCompare(other[0]))
  console.log(`${log.nextSeq} lines, ${count} workers, ${total.size} words`)
  for (const [word, times] of most.slice(0, 5)) console.log(`${times} ${word}`)
  log.close()
}

const [, , file, folder = './pool', count = '4'] = process.argv
if (isMainThread) await main(file, folder, Number(count))
else parentPort?.postMessage(countWords(workerData as Share))

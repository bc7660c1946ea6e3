// The process that is watched: it opens, closes, drops and terminates for as long as it is told to, and says what it holds by then.
import { openSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { setImmediate as turn, setTimeout as pause } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'

import { Chronicle } from '../../dist/index.mjs'
import { Random } from '../random.ts'

const { dir, seed, opens, every, crews, leak } = JSON.parse(process.argv[2])
const random = new Random(seed)
const leaked = []
const told = { stop: false }
let done = 0
let terminated = 0
process.on('message', () => (told.stop = true))

/** What a log is used for between its opening and its end. What is made of it is left as it is. */
function use(log, writes) {
  if (writes) {
    log.acquire({ wait: 5000 })
    for (let count = random.below(20); count >= 0; count--) log.append('x'.repeat(random.below(300)))
    log.appendBatch(['a', 'b'])
    log.claim(10).abort()
  }
  const kind = random.below(5)
  if (kind === 0) for (const message of log.read({ from: -20 })) if (message.text() === 'b') break
  if (kind === 1) log.cursor({ from: 'start' }).next()
  if (kind === 2) log.read({ from: -5, reverse: true })[Symbol.iterator]().next()
  if (kind === 3) log.tail({ from: 'start' })
  if (kind === 4) log.stats()
}

function openAndClose() {
  const log = Chronicle.open(dir, { sync: random.oneIn(2) ? 'none' : { everyMs: 5 } })
  use(log, random.oneIn(4))
  if (leak === 'log' && random.oneIn(50)) leaked.push(log)
  else log.close()
}

/** Nobody closes it, and nobody can reach it any more. */
function openAndDrop() {
  use(Chronicle.open(dir, { readOnly: random.oneIn(2) }), false)
}

/** A follower that waits for what comes, and is left in the middle of it. */
async function follow() {
  const log = Chronicle.open(dir)
  const tail = log.tail({ from: 'end' })
  const next = tail.next()
  await turn()
  await tail.return()
  await next
  log.close()
}

async function work() {
  const tasks = ['append', 'read', 'tail']
  const crew = tasks.map(
    (task) => new Worker(new URL('worker.mjs', import.meta.url), { workerData: { dir, task }, execArgv: [] }),
  )
  await Promise.all(crew.map((worker) => new Promise((resolve) => worker.once('message', resolve))))
  await pause(random.below(20))
  await Promise.all(crew.map((worker) => worker.terminate()))
  terminated += crew.length
}

/** Descriptors and mappings of the log's files. */
function held() {
  const links = readdirSync('/proc/self/fd').map((name) => {
    try {
      return readlinkSync(`/proc/self/fd/${name}`)
    } catch {
      return ''
    }
  })
  const mappings = readFileSync('/proc/self/maps', 'utf8').split('\n')
  return {
    held: [...links, ...mappings].filter((text) => text.includes(dir)).length,
    descriptors: links.length,
    mappings: mappings.length,
  }
}

/** What is there once everything that can be collected is. */
async function sample() {
  for (let round = 0; round < 20; round++) {
    globalThis.gc()
    await turn()
    if (held().held === 0) break
    await pause(round)
  }
  const { rss, external, arrayBuffers } = process.memoryUsage()
  const threads = readdirSync('/proc/self/task').length
  process.send({
    opens: done,
    workers: terminated,
    rss,
    external: external + arrayBuffers,
    threads,
    ...held(),
  })
}

const first = Chronicle.open(dir, { segmentBytes: 65_536 })
first.append('first')
first.close()
for (let next = every; !told.stop && done < opens;) {
  openAndClose()
  if (random.oneIn(5)) openAndDrop()
  if (random.oneIn(20)) await follow()
  if (crews > 0 && random.oneIn(crews)) await work()
  if (leak === 'descriptor' && random.oneIn(10)) leaked.push(openSync('/dev/null'))
  if (leak === 'memory') leaked.push(Buffer.alloc(100_000, 1))
  // Signals of the parent come in between.
  if (++done % 50 === 0) await turn()
  if (done < next) continue
  next += every
  const pruning = Chronicle.open(dir)
  pruning.prune({ keepMessages: 2000 })
  pruning.close()
  await sample()
}
await sample()
process.disconnect()

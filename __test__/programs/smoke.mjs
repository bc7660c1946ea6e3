// What a program does with the package, one feature a line. `node smoke.mjs FOLDER`.
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'

import { Chronicle, ChronicleError, merge, repair, verify } from 'chronicle-log'

const dir = join(process.argv[2] ?? '.', 'smoke')
const log = Chronicle.open(dir, { segmentBytes: 65_536 })

/** A worker follows the log and tells what it reads. */
function followed(program, until) {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(program, import.meta.url), { workerData: { dir, until } })
    const texts = []
    worker.once('error', reject)
    worker.on('message', (text) => {
      texts.push(text)
      if (text === 'following') log.appendBatch(['for the worker', until])
      if (text === until) worker.once('exit', () => resolve(texts.join()))
    })
  })
}

/** Each feature answers what it saw, which must be what stands behind it. */
const features = {
  append: [() => log.append('first', { type: 1 }), 0],
  bytes: [() => log.append(new Uint8Array([1, 2, 3])), 1],
  batch: [() => Object.values(log.appendBatch(['a', { payload: 'b', type: 2 }])).join(), '2,3'],
  conflict: [() => codeOf(() => log.append('x', { expectedSeq: 0 })), 'ERR_CHRONICLE_CONFLICT'],
  claim: [
    () => {
      const claim = log.claim(5)
      claim.write(Buffer.from('claim'))
      return claim.publish()
    },
    4,
  ],
  read: [() => [...log.read({ from: 2 })].map((message) => message.text()).join(), 'a,b,claim'],
  backward: [() => [...log.read({ reverse: true, limit: 2 })].map(({ seq }) => seq).join(), '4,3'],
  cursor: [
    () => {
      const cursor = log.cursor({ from: -1 })
      const found = [cursor.next(), cursor.text(), cursor.next({ wait: 1 })].join()
      cursor.close()
      return found
    },
    'true,claim,false',
  ],
  sync: [async () => (await log.sync()) === log.nextSeq, true],
  durable: [async () => (await log.durable(4), log.durableSeq), 5],
  tail: [
    async () => {
      const tail = log.tail({ keepAlive: true })
      setTimeout(() => log.append('followed'), 20)
      for await (const message of tail) return message.text()
    },
    'followed',
  ],
  abort: [
    async () => {
      try {
        for await (const _ of log.tail({ signal: AbortSignal.timeout(20), keepAlive: true }));
      } catch (error) {
        return `${error.name} ${error instanceof ChronicleError}`
      }
    },
    'AbortError true',
  ],
  name: [
    async () => {
      for await (const message of log.tail({ name: 'smoke', keepAlive: true })) {
        message.commit()
        if (message.seq === 2) break
      }
      return log.readers().map(({ name, nextSeq }) => `${name} ${nextSeq}`)[0]
    },
    'smoke 3',
  ],
  streams: [
    async () => {
      const lengths = []
      for await (const message of log.readable({ to: 2 })) lengths.push(message.length)
      return lengths.join()
    },
    '5,3',
  ],
  'worker, CommonJS': [() => followed('follower.cjs', 'end'), 'following,for the worker,end'],
  'worker, ES module': [() => followed('follower.mjs', 'stop'), 'following,for the worker,stop'],
  snapshot: [async () => (await log.snapshot(`${dir}-copy`)).nextSeq === log.nextSeq, true],
  merge: [
    async () => {
      const merged = merge([log.read({ to: 1 }), log.read({ from: 1, to: 3 })])
      const seqs = []
      for await (const { message } of merged) seqs.push(message.seq)
      return seqs.join()
    },
    '0,1,2',
  ],
  health: [() => log.health().ok, true],
  prune: [
    () => {
      const payload = Buffer.alloc(40_000)
      for (let count = 0; count < 8; count++) log.append(payload)
      log.removeReader('smoke')
      return log.prune({ keepMessages: 1 }).segments > 0 && log.firstSeq > 0
    },
    true,
  ],
  dispose: [() => (log[Symbol.dispose](), log.closed), true],
  verify: [async () => (await verify(dir)).sound, true],
  repair: [async () => (await repair(dir)).quarantined.length, 0],
}

function codeOf(call) {
  try {
    call()
  } catch (error) {
    return error.code
  }
}

let lacking = 0
for (const [name, [use, expected]] of Object.entries(features)) {
  let seen
  try {
    seen = await use()
  } catch (error) {
    seen = error
  }
  if (seen === expected) continue
  lacking++
  console.log(`${name}:`, seen)
}
console.log(lacking === 0 ? 'all features work' : `${lacking} lacking`)
process.exitCode = lacking === 0 ? 0 : 1

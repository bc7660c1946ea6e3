/** Another process: started by `start` of `process.ts` with a task and its arguments. */
import { openSync, writeSync } from 'node:fs'

import { Chronicle } from '../../index.ts'
import { enduringReaders, enduringWriter } from './endurance.ts'
import { idle } from './idle.ts'
import { holdWithChild, race } from './locks.ts'
import { untilError, ways } from './lost.ts'
import { handleForever, holdName } from './named.ts'
import { Sum, payloadOf, typeOf } from './payloads.ts'

const [task = '', dir = '', ...rest] = process.argv.slice(2)
const numbers = rest.map(Number)

function say(message: object): void {
  process.send?.(message)
}

/** Tells, in a file that outlives this process, that `append` has returned for everything up to `seq`. */
function acknowledger(): (seq: number) => void {
  const file = openSync(`${dir}.acknowledged`, 'w')
  const bytes = new BigUint64Array(1)
  return (seq) => {
    bytes[0] = BigInt(seq) + 1n
    writeSync(file, bytes, 0, 8, 0)
  }
}

function append(log: Chronicle, seq: number): void {
  const given = log.append(payloadOf(seq), { type: typeOf(seq), expectedSeq: seq })
  if (given !== seq) throw new Error(`asked for ${seq}, got ${given}`)
}

async function endure(way: keyof typeof enduringReaders): Promise<void> {
  say({ read: await enduringReaders[way](dir, numbers[0]!) })
  process.disconnect?.()
}

const tasks: Record<string, () => void | Promise<void>> = {
  /** Takes the writer lock and keeps it until it is told to end. */
  hold() {
    const log = Chronicle.open(dir)
    log.acquire()
    const alive = setInterval(() => undefined, 1000)
    say({ held: process.pid })
    process.once('SIGTERM', () => {
      clearInterval(alive)
      log.close()
      process.disconnect?.()
    })
  },

  /** Appends `count` messages from where the log stands, in steps that leave readers time to catch up. */
  async write() {
    const [count = 0] = numbers
    const log = Chronicle.open(dir, { segmentBytes: 65_536 })
    log.acquire({ wait: 5000 })
    const first = log.nextSeq
    for (let seq = first; seq < first + count; seq++) {
      append(log, seq)
      if (seq % 500 === 0) await new Promise((resolve) => setTimeout(resolve, 1))
    }
    log.close()
    say({ wrote: count })
    process.disconnect?.()
  },

  /** Appends until it is killed, and tells each seq that `append` has returned before it goes on. */
  appendForever() {
    const log = Chronicle.open(dir, { segmentBytes: 65_536, sync: 'none' })
    log.acquire({ wait: 5000 })
    const acknowledge = acknowledger()
    for (let seq = log.nextSeq; ; seq++) {
      append(log, seq)
      acknowledge(seq)
    }
  },

  /** Appends batches until it is killed. */
  batchForever() {
    const log = Chronicle.open(dir, { segmentBytes: 65_536, sync: 'none' })
    log.acquire({ wait: 5000 })
    const acknowledge = acknowledger()
    for (;;) {
      const first = log.nextSeq
      const size = 2 + (first % 40)
      log.appendBatch(Array.from({ length: size }, (_, index) => payloadOf(first + index)))
      acknowledge(first + size - 1)
    }
  },

  /** Follows the log for `count` messages and tells the sum over them. */
  async tail() {
    const [from = 0, count = 0] = numbers
    const log = Chronicle.open(dir, { readOnly: true })
    const sum = new Sum()
    let expected = from
    const tail = log.tail({ from, keepAlive: true })
    say({ ready: true })
    for await (const message of tail) {
      if (message.seq !== expected || message.type !== typeOf(message.seq)) {
        throw new Error(`read ${message.seq} of type ${message.type}, expected ${expected}`)
      }
      sum.add(message.payload)
      expected++
      if (expected === from + count) break
    }
    log.close()
    say({ sum: sum.hex })
    process.disconnect?.()
  },

  /** Waits in a tail that must not keep the process alive. */
  async idleTail() {
    process.disconnect?.()
    const log = Chronicle.open(dir)
    void log.tail().next()
    await new Promise((resolve) => setTimeout(resolve, 100))
  },

  /** Ends the process in the middle of everything that can be under way. */
  async exitBusy() {
    const log = Chronicle.open(dir)
    log.append('x')
    void log.tail({ keepAlive: true }).next()
    void log.tail({ keepAlive: true }).next()
    void log.sync()
    await new Promise((resolve) => setTimeout(resolve, 20))
    log.append('y')
    void log.sync()
    process.exit(7)
  },

  /** Tells what waiting for some milliseconds took, and then what came at last. */
  async idle() {
    const [took, texts] = await idle(dir, numbers[0]!)
    say(took)
    say(await texts)
    process.disconnect?.()
  },

  async race() {
    say(await race(dir, numbers[0]!))
    process.disconnect?.()
  },

  holdWithChild() {
    say({ child: holdWithChild(dir) })
  },

  holdName: () => holdName(dir, 'billing', say),
  handleForever: () => handleForever(dir, 'billing'),

  /** Claims, fills and aborts again and again, and says so once. */
  claimForever() {
    const log = Chronicle.open(dir, { sync: 'none' })
    log.acquire()
    say({ claimed: log.nextSeq })
    for (let length = 0; ; length = (length + 4099) % 200_000) {
      const claim = log.claim(length)
      claim.write(new Uint8Array(length).fill(0xff))
      claim.abort()
    }
  },

  enduringWriter() {
    enduringWriter(dir, numbers[0]!)
    process.disconnect?.()
  },
  'enduring tail': () => endure('tail'),
  'enduring cursor': () => endure('cursor'),
  'enduring poll': () => endure('poll'),
}

for (const way of Object.keys(ways) as (keyof typeof ways)[]) {
  tasks[`lost ${way}`] = async () => {
    let told = false
    const ready = () => {
      if (!told) say({ ready: true })
      told = true
    }
    say(await untilError(dir, way, ready))
    process.disconnect?.()
  }
}

await tasks[task]!()

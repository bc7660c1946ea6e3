/** What the processes of the endurance test do: a writer that is killed again and again, and readers that must not notice. */
import { closeSync, openSync, readSync, writeSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'

import { Chronicle, type Message } from '../../index.ts'
import { typeOf } from './payloads.ts'

/** A start in the noise for each of the first 2^20 seqs, so that no two payloads of some length are the same. */
const STARTS = 1 << 20
const LONGEST = 100_000

function makeNoise(): Buffer {
  const words = new Uint32Array((STARTS + LONGEST) / 4)
  let state = 1
  for (let index = 0; index < words.length; index++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0
    words[index] = state ^ (state >>> 15)
  }
  return Buffer.from(words.buffer)
}

const noise = makeNoise()

function startOf(seq: number): number {
  return (Math.imul(seq, 0x9e3779b1) >>> 0) % STARTS
}

/** Mostly short, some of pages, and a few that are longer than the memory that readers copy runs to. */
function lengthOf(seq: number): number {
  if (seq % 10_007 === 10_006) return LONGEST - (seq % 30_000)
  if (seq % 101 === 100) return seq % 4096
  return (seq * 7919) % 97
}

/** The bytes of message `seq`: cheap to make and to compare with. */
function payloadOf(seq: number): Uint8Array {
  const start = startOf(seq)
  return noise.subarray(start, start + lengthOf(seq))
}

/** Finds each message once, in order and byte for byte. */
class Witness {
  next = 0

  take(message: Message): void {
    const { next } = this
    const start = startOf(next)
    const length = lengthOf(next)
    const { seq, type, payload } = message
    if (seq !== next || type !== typeOf(next) || payload.length !== length) {
      throw new Error(`read ${seq} of type ${type} and ${payload.length} bytes, expected ${next}`)
    }
    if (noise.compare(payload, 0, length, start, start + length) !== 0) {
      throw new Error(`message ${seq} is not what was appended`)
    }
    this.next = next + 1
  }
}

/** A file that outlives the writer: how many messages `append` has returned for. */
export class Acknowledged {
  readonly #file: number
  readonly #count = new Float64Array(1)

  constructor(dir: string, flags: 'w+' | 'r+') {
    this.#file = openSync(`${dir}.acknowledged-count`, flags)
  }

  get count(): number {
    if (readSync(this.#file, this.#count, 0, 8, 0) === 0) return 0
    return this.#count[0]!
  }

  set count(count: number) {
    this.#count[0] = count
    writeSync(this.#file, this.#count, 0, 8, 0)
  }

  close(): void {
    closeSync(this.#file)
  }
}

/** Waits until the writer before it is killed, finds all that was acknowledged, and goes on up to `end`. */
export function enduringWriter(dir: string, end: number): void {
  const acknowledged = new Acknowledged(dir, 'r+')
  const log = Chronicle.open(dir, { sync: { everyMs: 20 } })
  log.acquire({ wait: 2 ** 31 - 1 })
  const { count } = acknowledged
  if (log.nextSeq < count) throw new Error(`${log.nextSeq} messages are left of ${count} acknowledged ones`)
  for (let seq = log.nextSeq; seq < end; seq++) {
    log.append(payloadOf(seq), { type: typeOf(seq), expectedSeq: seq })
    acknowledged.count = seq + 1
  }
  log.close()
}

/** Readers up to `end`, by the ways to wait for more. */
export const enduringReaders = {
  async tail(dir: string, end: number): Promise<number> {
    using log = Chronicle.open(dir)
    const witness = new Witness()
    for await (const message of log.tail({ from: 'start', keepAlive: true })) {
      witness.take(message)
      if (witness.next === end) break
    }
    return witness.next
  },

  cursor(dir: string, end: number): number {
    using log = Chronicle.open(dir)
    const witness = new Witness()
    const cursor = log.cursor()
    while (witness.next < end) if (cursor.next({ wait: 10_000 })) witness.take(cursor)
    return witness.next
  },

  async poll(dir: string, end: number): Promise<number> {
    using log = Chronicle.open(dir, { readOnly: true })
    const witness = new Witness()
    while (witness.next < end) {
      for (const message of log.read({ from: witness.next })) witness.take(message)
      await pause(2)
    }
    return witness.next
  },
}

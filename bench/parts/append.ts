import {
  WARMING,
  timedPasses,
  type Contender,
  type Group,
  type Job,
  type Options,
  type Outcome,
  type Part,
} from '../measure.ts'
import { warmMemory } from '../memory.ts'
import { makePayloads, toTexts, verify, type Payload } from '../payloads.ts'
import { openStore } from '../peers/open.ts'
import { javaQueue, runQueue } from '../peers/queue.ts'

/** Passes over the payloads: what they write takes room on the disk. */
const PASSES = [WARMING + 1, WARMING + 20] as const

/** A stream with a buffer made for this bench. Its ratio stands apart: what is reached is held against peers as they come. */
const TUNED = 'fs.createWriteStream, 1000 a wait'

/** How many payloads there are. */
export function countOf(size: number): number {
  return Math.ceil(Math.min(100_000, 24_000_000 / size))
}

/** Warms as much memory as the passes take, and half as much again, because some stores keep more of a message than we do. */
export function warm(dir: string, size: number, count: number): void {
  warmMemory(dir, 1.5 * PASSES[1] * count * (size + 64))
}

/** `slower` contenders get that many times fewer payloads; the slowest run once. */
function contender(
  name: string,
  peer: string,
  way: string,
  size: number,
  slower = 1,
  { text = false, ...more }: { text?: boolean; rounds?: number; kind?: 'extra' } = {},
): Contender {
  const count = Math.ceil(countOf(size) / slower)
  const kind = peer === 'chronicle' ? 'ours' : 'peer'
  return { name, kind, job: { part: 'append', peer, way, size, count, text }, ...more }
}

function bytes(size: number): Group {
  const small = size <= 64
  return {
    title: `append, ${size} B`,
    unit: 'ns a message',
    contenders: [
      contender('log.append(bytes)', 'chronicle', 'append', size),
      contender('log.appendBatch of 256', 'chronicle', 'batch', size),
      contender('lmdb, 1000 a transaction', 'lmdb', 'transaction', size),
      contender('lmdb, async put', 'lmdb', 'async', size),
      contender('lmdb, putSync each', 'lmdb', 'each', size, 20, { rounds: 1 }),
      contender('SQLite NORMAL, 1000 a transaction', 'sqlite', 'transaction', size, 2, { rounds: 1 }),
      contender('SQLite NORMAL, one a transaction', 'sqlite', 'each', size, 20, { rounds: 1 }),
      contender('LevelDB, batch of 1000', 'level', 'batch', size, 8, { rounds: 1 }),
      contender('fs.createWriteStream', 'files', 'stream', size),
      contender(TUNED, 'files', 'grouped', size, 1, { kind: 'extra' }),
      contender('fs.writeSync each', 'files', 'each', size, 4, { rounds: 1 }),
      javaQueue('append', size),
    ],
    targets: [
      { what: 'append(bytes)', line: 'log.append(bytes)', against: 'peer', must: small ? 4.5 : 5, aim: 8 },
      { what: 'append(bytes)', line: 'log.append(bytes)', against: 'java', must: 1, aim: 1.5 },
      { what: 'append(bytes), tuned stream', line: 'log.append(bytes)', against: 'extra' },
      small
        ? { what: 'appendBatch of 256', line: 'log.appendBatch of 256', against: 'peer', must: 5.5, aim: 10 }
        : { what: 'appendBatch of 256', line: 'log.appendBatch of 256', against: 'peer' },
    ],
  }
}

function text(size: number): Group {
  const wanted = size <= 64 ? { must: 4, aim: 7 } : {}
  return {
    title: `append text, ${size} B`,
    unit: 'ns a message',
    contenders: [
      contender('log.append(string)', 'chronicle', 'append', size, 1, { text: true }),
      contender('lmdb, 1000 a transaction', 'lmdb', 'transaction', size, 1, { text: true }),
      contender('lmdb, async put', 'lmdb', 'async', size, 1, { text: true }),
      contender('SQLite NORMAL, 1000 a transaction', 'sqlite', 'transaction', size, 2, {
        text: true,
        rounds: 1,
      }),
      contender('LevelDB, batch of 1000', 'level', 'batch', size, 8, { text: true, rounds: 1 }),
      contender('fs.createWriteStream', 'files', 'stream', size, 1, { text: true }),
      contender(TUNED, 'files', 'grouped', size, 1, { text: true, kind: 'extra' }),
    ],
    targets: [
      { what: 'append(string)', line: 'log.append(string)', against: 'peer', ...wanted },
      { what: 'append(string), tuned stream', line: 'log.append(string)', against: 'extra' },
    ],
  }
}

function groups({ sizes, rounds }: Options): Group[] {
  const all = [...(sizes ?? [64, 1024]).map(bytes), ...(sizes ?? [64]).map(text)]
  // Of two rounds, one that meets memory which the host has taken back would decide.
  for (const group of all) group.rounds = rounds + 1
  return all
}

async function run(job: Job, dir: string): Promise<Outcome> {
  const size = Number(job['size'])
  const payloads = makePayloads(size, Number(job['count']))
  const given: readonly Payload[] = job['text'] === true ? toTexts(payloads) : payloads
  warm(dir, size, payloads.length)
  if (job['peer'] === 'queue') return runQueue('append', payloads, dir)
  const store = await openStore(job, dir)
  const { passes, outcome } = await timedPasses(given.length, PASSES, () => store.write(given))
  await verify(payloads, passes, (see) => store.read(see))
  await store.close()
  return outcome
}

export const part: Part = { groups, run }

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
import { buildCore, runCore } from '../peers/core.ts'
import { openStore } from '../peers/open.ts'
import { javaQueue, runQueue } from '../peers/queue.ts'

/** Passes over the payloads: what they write takes room on the disk. */
const PASSES = [WARMING + 1, WARMING + 20] as const

/** A stream with a buffer made for this bench. Its ratio stands apart: what is reached is held against peers as they come. */
const TUNED = 'fs.createWriteStream, 1000 a wait'
const CORE = 'Writer::append, in Rust'
const FLOOR = 'copy and checksums, in Rust'

/** `slower` contenders get that many times fewer payloads; the slowest run once. */
function contender(
  name: string,
  peer: string,
  way: string,
  size: number,
  slower = 1,
  { text = false, ...more }: { text?: boolean; rounds?: number; kind?: 'extra' | 'floor' } = {},
): Contender {
  const count = Math.ceil(Math.min(100_000, 12_000_000 / size) / slower)
  const kind = peer === 'chronicle' || peer === 'core' ? 'ours' : 'peer'
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
      contender('lmdb, 1000 a transaction', 'lmdb', 'transaction', size, 1, small ? { rounds: 1 } : {}),
      contender('lmdb, async put', 'lmdb', 'async', size),
      contender('lmdb, putSync each', 'lmdb', 'each', size, 20, { rounds: 1 }),
      contender('SQLite NORMAL, 1000 a transaction', 'sqlite', 'transaction', size, 2, { rounds: 1 }),
      contender('SQLite NORMAL, one a transaction', 'sqlite', 'each', size, 20, { rounds: 1 }),
      contender('LevelDB, batch of 1000', 'level', 'batch', size, 8, { rounds: 1 }),
      contender('fs.createWriteStream', 'files', 'stream', size, 1, { rounds: 1 }),
      contender(TUNED, 'files', 'grouped', size, 1, { kind: 'extra', rounds: 1 }),
      contender('fs.writeSync each', 'files', 'each', size, 4, { rounds: 1 }),
      contender(CORE, 'core', 'append', size),
      contender(FLOOR, 'core', 'floor', size, 1, { kind: 'floor' }),
      javaQueue('append', size),
    ],
    targets: [
      { what: 'append(bytes)', line: 'log.append(bytes)', against: 'peer', must: small ? 4.5 : 5, aim: 8 },
      { what: 'append(bytes)', line: 'log.append(bytes)', against: 'java', must: 1, aim: 1.5 },
      { what: 'append(bytes), tuned stream', line: 'log.append(bytes)', against: 'extra' },
      {
        what: 'appendBatch of 256',
        line: 'log.appendBatch of 256',
        against: 'peer',
        ...(small ? { must: 5.5, aim: 10 } : {}),
      },
      // No more than twice, and 1.3 times, what the floor takes.
      { what: CORE, line: CORE, against: 'floor', ...(small ? { must: 0.5, aim: 0.77 } : {}) },
      { what: CORE, line: CORE, against: 'java', must: 2, aim: 4 },
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
      contender('lmdb, 1000 a transaction', 'lmdb', 'transaction', size, 1, { text: true, rounds: 1 }),
      contender('lmdb, async put', 'lmdb', 'async', size, 1, { text: true }),
      contender('SQLite NORMAL, 1000 a transaction', 'sqlite', 'transaction', size, 2, {
        text: true,
        rounds: 1,
      }),
      contender('LevelDB, batch of 1000', 'level', 'batch', size, 8, { text: true, rounds: 1 }),
      contender('fs.createWriteStream', 'files', 'stream', size, 1, { text: true, rounds: 1 }),
      contender(TUNED, 'files', 'grouped', size, 1, { text: true, kind: 'extra', rounds: 1 }),
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
  const [size, count] = [Number(job['size']), Number(job['count'])]
  if (job['peer'] === 'core') buildCore()
  // Half as much again as the passes take, because some stores keep more of a message than we do.
  warmMemory(dir, 1.5 * PASSES[1] * count * (size + 64))
  if (job['peer'] === 'core') return runCore(String(job['way']), size, count, dir)
  const payloads = makePayloads(size, count)
  if (job['peer'] === 'queue') return runQueue('append', payloads, dir)
  const given: readonly Payload[] = job['text'] === true ? toTexts(payloads) : payloads
  const store = await openStore(job, dir)
  const { passes, outcome } = await timedPasses(given.length, PASSES, () => store.write(given))
  await verify(payloads, passes, (see) => store.read(see))
  await store.close()
  return outcome
}

export const part: Part = { groups, run }

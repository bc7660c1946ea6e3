import {
  type Contender,
  type Group,
  type Job,
  type Options,
  type Outcome,
  type Part,
  timed,
} from '../measure.ts'
import { makePayloads, verify } from '../payloads.ts'
import { openStore } from '../peers/open.ts'

/** How long a child writes after its warm-up, at least one pass over its payloads. */
const BUDGET_MS = 800

function contender(
  name: string,
  peer: string,
  way: string,
  size: number,
  count: number,
  more: { rounds?: number } = {},
): Contender {
  const job = { part: 'sync', peer, way, size, count }
  return { name, kind: peer === 'chronicle' ? 'ours' : 'peer', job, ...more }
}

function group(size: number): Group {
  const ours = 'await log.sync(), 64 callers'
  return {
    title: `durable, ${size} B`,
    unit: 'ns a message',
    contenders: [
      contender(ours, 'chronicle', 'sync', size, 6400),
      contender('SQLite FULL, one a transaction', 'sqlite', 'durable', size, 200),
      contender('lmdb, await flushed, 64 callers', 'lmdb', 'flushed', size, 6400),
      contender('LevelDB sync: true, 64 callers', 'level', 'durable', size, 640, { rounds: 1 }),
      contender('fs.writeSync and fsyncSync', 'files', 'durable', size, 50, { rounds: 1 }),
    ],
    targets: [
      { what: 'group commit', line: ours, against: 'SQLite FULL, one a transaction', must: 10, aim: 30 },
      { what: 'group commit', line: ours, against: 'peer' },
    ],
  }
}

async function run(job: Job, dir: string): Promise<Outcome> {
  const payloads = makePayloads(Number(job['size']), Number(job['count']))
  const store = await openStore(job, dir)
  await store.write(payloads)
  let passes = 0
  const end = performance.now() + BUDGET_MS
  const { ns, cpu } = await timed(payloads.length, async () => {
    do {
      await store.write(payloads)
      passes++
    } while (performance.now() < end)
  })
  await verify(payloads, passes + 1, (see) => store.read(see))
  await store.close()
  return { values: { '': ns / passes }, cpu: cpu / passes }
}

export const part: Part = { groups: ({ sizes }: Options) => (sizes ?? [64]).map(group), run }

import {
  ofPasses,
  timed,
  type Contender,
  type Group,
  type Job,
  type Options,
  type Outcome,
  type Part,
} from '../measure.ts'
import { makePayloads, verify, type Payload } from '../payloads.ts'
import { openStore } from '../peers/open.ts'
import { javaQueue, runQueue } from '../peers/queue.ts'

const PASSES = 6

function contender(name: string, peer: string, way: string, size: number, slower = 1): Contender {
  const count = Math.ceil(Math.min(400_000, 100_000_000 / size) / slower)
  const kind = peer === 'chronicle' || peer === 'walk' ? 'ours' : 'peer'
  return { name, kind, job: { part: 'read', peer, way, size, count } }
}

const WALK = 'cursor walk'
const CURSOR = 'cursor, payload touched'
const ITERATOR = 'for…of, payload touched'

function group(size: number): Group {
  const large = size >= 65_536
  const [cursor, iterator] =
    size <= 64 ? [[4.5, 8] as const, [2, 3] as const] : [[3, 5] as const, [1.8, 3] as const]
  return {
    title: `read, ${size} B`,
    unit: 'ns a message',
    contenders: [
      contender(WALK, 'walk', '', size),
      contender(CURSOR, 'chronicle', 'cursor', size),
      contender(ITERATOR, 'chronicle', 'append', size),
      contender('lmdb getRange', 'lmdb', 'transaction', size),
      contender('lmdb getBinaryFast', 'lmdb', 'byKey', size),
      ...(large
        ? []
        : [
            contender('SQLite iterate', 'sqlite', 'transaction', size, 4),
            contender('LevelDB nextv(1000)', 'level', 'batch', size, 4),
            javaQueue('read', size),
          ]),
    ],
    targets: large
      ? [{ what: 'cursor, checksums verified', line: CURSOR, against: 'peer', must: 1, aim: 2 }]
      : [
          { what: 'cursor walk', line: WALK, against: 'peer', must: cursor[0], aim: cursor[1] },
          { what: 'cursor walk', line: WALK, against: 'java', must: 0.7, aim: 1 },
          { what: 'cursor, payload touched', line: CURSOR, against: 'peer' },
          {
            what: 'for…of, payload touched',
            line: ITERATOR,
            against: 'peer',
            must: iterator[0],
            aim: iterator[1],
          },
        ],
  }
}

function groups({ sizes }: Options): Group[] {
  return (sizes ?? [64, 1024, 65_536]).map(group)
}

async function run(job: Job, dir: string): Promise<Outcome> {
  const payloads = makePayloads(Number(job['size']), Number(job['count']))
  if (job['peer'] === 'queue') return runQueue('read', payloads, dir)
  const walks = job['peer'] === 'walk'
  const store = await openStore(walks ? { ...job, peer: 'chronicle', way: 'cursor' } : job, dir)
  await store.write(payloads)
  const { sumLog } = await import('../peers/chronicle.ts')
  let touched = 0
  const touch = (payload: Payload) => {
    touched += (payload as Uint8Array)[0]! + payload.length
  }
  const times: Awaited<ReturnType<typeof timed>>[] = []
  for (let pass = 0; pass < PASSES; pass++) {
    const read = walks ? () => void (touched += sumLog(dir)) : () => store.read(touch)
    times.push(await timed(payloads.length, read))
  }
  const wanted = walks
    ? payloads.reduce((sum, payload, seq) => sum + payload.length + seq, 0)
    : payloads.reduce((sum, payload) => sum + payload[0]! + payload.length, 0)
  if (touched !== wanted * PASSES) throw new Error(`the sums of ${PASSES} passes differ: wrong answer`)
  // After the timed passes, so that a second caller does not slow them.
  await verify(payloads, 1, (see) => store.read(see))
  await store.close()
  return ofPasses(times.slice(2))
}

export const part: Part = { groups, run }

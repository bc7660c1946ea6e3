import {
  WARMING,
  timedPasses,
  type Contender,
  type Group,
  type Job,
  type Options,
  type Outcome,
  type Part,
  type Target,
} from '../measure.ts'
import { makePayloads, toTexts, verify, type Payload } from '../payloads.ts'
import { runCore } from '../peers/core.ts'
import { openStore } from '../peers/open.ts'
import { javaQueue, runQueue } from '../peers/queue.ts'

/** Passes over all messages. */
const PASSES = [WARMING + 5, Infinity] as const

/** `slower` contenders get that many times fewer payloads; the slowest run once. */
function contender(
  name: string,
  peer: string,
  way: string,
  size: number,
  { slower = 1, ...more }: { slower?: number; rounds?: number; text?: boolean } = {},
): Contender {
  const count = Math.ceil(Math.min(200_000, 50_000_000 / size) / slower)
  const kind = ['chronicle', 'walk', 'core'].includes(peer) ? 'ours' : 'peer'
  const { rounds, text } = more
  const job = { part: 'read', peer, way, size, count, ...(text === undefined ? {} : { text }) }
  return { name, kind, job, ...(rounds === undefined ? {} : { rounds }) }
}

const WALK = 'cursor walk'
const CURSOR = 'cursor, payload touched'
const CURSOR_VIEWS = "cursor, payload: 'view', touched"
const ITERATOR = 'for…of, payload touched'
const ITERATOR_VIEWS = "for…of, payload: 'view', touched"
const REVERSE = 'for…of, reverse: true, payload touched'
const BY_KEY = 'lmdb getBinaryFast'
const CORE = 'Reader::poll, in Rust'

/** Views are for payloads of this length and more. */
const LARGE = 65_536

function bytes(size: number): Group {
  const large = size >= LARGE
  return {
    title: `read, ${size} B`,
    unit: 'ns a message',
    contenders: [
      contender(WALK, 'walk', '', size),
      contender(CURSOR, 'chronicle', 'cursor', size, { rounds: 1 }),
      ...(size >= 1024
        ? [contender(CURSOR_VIEWS, 'chronicle', 'cursorViews', size, large ? {} : { rounds: 1 })]
        : []),
      contender(ITERATOR, 'chronicle', 'batch', size),
      ...(large
        ? [contender(ITERATOR_VIEWS, 'chronicle', 'iteratorViews', size, { rounds: 1 })]
        : [contender(REVERSE, 'chronicle', 'reverse', size)]),
      contender('lmdb getRange', 'lmdb', 'transaction', size, large ? { rounds: 1 } : {}),
      contender(BY_KEY, 'lmdb', 'byKey', size),
      ...(large
        ? []
        : [
            contender('SQLite iterate', 'sqlite', 'transaction', size, { slower: 4, rounds: 1 }),
            contender('LevelDB nextv(1000)', 'level', 'batch', size, { slower: 8, rounds: 1 }),
            contender(CORE, 'core', 'poll', size),
            javaQueue('read', size),
          ]),
    ],
    targets: large ? ofLarge : ofSmall(size),
  }
}

const ofLarge: Target[] = [
  { what: 'cursor with views', line: CURSOR_VIEWS, against: BY_KEY, must: 1, aim: 2 },
  { what: 'for…of with views', line: ITERATOR_VIEWS, against: BY_KEY },
  { what: 'cursor with copies', line: CURSOR, against: 'peer' },
]

function ofSmall(size: number): Target[] {
  const [cursor, iterator] =
    size <= 64 ? [[4.5, 8] as const, [2, 3] as const] : [[3, 5] as const, [1.8, 3] as const]
  const [[must, aim], [iteratorMust, iteratorAim]] = [cursor, iterator]
  return [
    { what: 'cursor walk', line: WALK, against: 'peer', must, aim },
    { what: 'cursor walk', line: WALK, against: 'java', must: 0.7, aim: 1 },
    { what: 'cursor, payload touched', line: CURSOR, against: 'peer' },
    { what: ITERATOR, line: ITERATOR, against: 'peer', must: iteratorMust, aim: iteratorAim },
    // Backward takes at most twice as long as forward.
    { what: 'for…of, reverse', line: REVERSE, against: ITERATOR, must: 0.5 },
    { what: CORE, line: CORE, against: 'java', must: 1.2, aim: 2 },
  ]
}

function texts(size: number): Group {
  const [iterator, cursor] = ['for…of, text()', 'cursor, text()']
  const text = true
  return {
    title: `read text, ${size} B`,
    unit: 'ns a message',
    contenders: [
      contender(iterator, 'chronicle', 'iteratorText', size, { text }),
      contender(cursor, 'chronicle', 'cursorText', size, { text }),
      contender('lmdb getRange, strings', 'lmdb', 'transaction', size, { text }),
      contender('SQLite iterate, TEXT', 'sqlite', 'transaction', size, { text, slower: 4, rounds: 1 }),
    ],
    rounds: 1,
    targets: [iterator, cursor].map((line) => ({ what: line, line, against: 'peer' })),
  }
}

function parsed(size: number): Group {
  const [iterator, cursor] = ['for…of, json()', 'cursor, json()']
  const given = { text: true, slower: 2 }
  return {
    title: `read JSON, an object with a text of ${size} B`,
    unit: 'ns a message',
    contenders: [
      contender(iterator, 'chronicle', 'iteratorJson', size, given),
      contender(cursor, 'chronicle', 'cursorJson', size, given),
      contender('lmdb getRange, JSON', 'lmdb', 'json', size, given),
      contender('SQLite iterate and JSON.parse', 'sqlite', 'json', size, { ...given, slower: 4, rounds: 1 }),
    ],
    rounds: 1,
    targets: [iterator, cursor].map((line) => ({ what: line, line, against: 'peer' })),
  }
}

function groups({ sizes }: Options): Group[] {
  const small = sizes ?? [64]
  return [...(sizes ?? [64, 1024, LARGE]).map(bytes), ...small.map(texts), ...small.map(parsed)]
}

async function run(job: Job, dir: string): Promise<Outcome> {
  const [size, count] = [Number(job['size']), Number(job['count'])]
  if (job['peer'] === 'core') return runCore(String(job['way']), size, count, dir)
  const payloads = makePayloads(size, count)
  if (job['peer'] === 'queue') return runQueue('read', payloads, dir)
  const walks = job['peer'] === 'walk'
  const given: readonly Payload[] = job['text'] === true ? toTexts(payloads) : payloads
  const store = await openStore(walks ? { ...job, peer: 'chronicle', way: 'cursor' } : job, dir)
  await store.write(given)
  const { openLog, sum } = await import('../peers/chronicle.ts')
  const walked = walks ? openLog(dir, { readOnly: true }) : undefined
  let touched = 0
  const touch =
    job['text'] === true
      ? (text: Payload) => void (touched += (text as string).charCodeAt(0) + text.length)
      : (payload: Payload) => void (touched += (payload as Uint8Array)[0]! + payload.length)
  const read = walked ? () => void (touched += sum(walked)) : () => store.read(touch)
  const { passes, outcome } = await timedPasses(payloads.length, PASSES, read)
  const wanted = walks
    ? payloads.reduce((sum, payload, seq) => sum + payload.length + seq, 0)
    : payloads.reduce((sum, payload) => sum + payload[0]! + payload.length, 0)
  if (touched !== wanted * passes) throw new Error(`the sums of ${passes} passes differ: wrong answer`)
  // After the timed passes, so that a second caller does not slow them.
  await verify(job['way'] === 'reverse' ? given.toReversed() : given, 1, (see) => store.read(see))
  walked?.close()
  await store.close()
  return outcome
}

export const part: Part = { groups, run }

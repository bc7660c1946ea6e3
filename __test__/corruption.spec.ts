/** Going past damage: what is read then is what the independent reader found before it, and what is missing was told. */
import { once } from 'node:events'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'

import test, { type ExecutionContext } from 'ava'

import { Chronicle, type Message, type ReadOptions, type Skipped } from '../index.ts'
import { bases, flip, segment } from './helpers/files.ts'
import { Random } from './helpers/random.ts'
import { refuses, refusesArgument, rejects } from './helpers/refusal.ts'
import { nowhere } from './helpers/temporary.ts'
import { survey } from './reference/log.ts'

const COUNT = 2000

/** A log of several segments with several index marks each, and its payloads as the reference reads them. */
function written(t: ExecutionContext): { dir: string; payloads: Buffer[] } {
  const dir = nowhere(t)
  using log = Chronicle.open(dir, { segmentBytes: 524_288, sync: 'none' })
  for (let seq = 0; seq < COUNT; seq++) log.append(`${seq} ${'.'.repeat(1000)}`)
  log.close()
  const payloads = survey(dir).messages.map(({ payload }) => Buffer.from(payload))
  t.is(payloads.length, COUNT)
  return { dir, payloads }
}

/** Every message is as it was, in order, and each seq that is not there was told as skipped. */
function judge(
  t: ExecutionContext,
  payloads: Buffer[],
  read: [number, Buffer][],
  skipped: Skipped[],
  end = COUNT,
): void {
  const missing = new Set(
    skipped.flatMap(({ from, to }) => Array.from({ length: to - from }, (_, at) => from + at)),
  )
  let next = 0
  for (const [seq, payload] of read) {
    while (missing.has(next)) next++
    t.is(seq, next++)
    t.true(payload.equals(payloads[seq]!), `${seq}`)
  }
  while (missing.has(next)) next++
  t.is(next, end)
}

function pair(message: Message): [number, Buffer] {
  return [message.seq, Buffer.from(message.payload)]
}

test('read, cursor and tail go past damage and tell what they skipped', async (t) => {
  const { dir, payloads } = written(t)
  flip(segment(dir), 4096 + 64 * 50 + 3)
  flip(segment(dir, bases(dir)[1]), 200_000)
  rmSync(segment(dir, bases(dir)[2]))
  using log = Chronicle.open(dir, { readOnly: true })
  refuses(t, () => [...log.read()], 'ERR_CHRONICLE_CORRUPT')
  refuses(t, () => [...log.read({ onCorruption: 'throw' })], 'ERR_CHRONICLE_CORRUPT')
  const thrown = async () => {
    for await (const message of log.tail({ from: 'start' })) if (message.seq < 0) break
  }
  await rejects(t, thrown(), 'ERR_CHRONICLE_CORRUPT')

  const all: Skipped[] = []
  const read = [...log.read({ onCorruption: (skipped) => all.push(skipped) })].map(pair)
  judge(t, payloads, read, all)
  t.deepEqual(
    all.map(({ error }) => error.code),
    ['ERR_CHRONICLE_CORRUPT', 'ERR_CHRONICLE_CORRUPT', 'ERR_CHRONICLE_MISSING_SEGMENT'],
  )

  const ranges = all.map(({ from, to }) => [from, to])
  const seen: Skipped[] = []
  using cursor = log.cursor({ onCorruption: (skipped) => seen.push(skipped) })
  let count = 0
  while (cursor.next()) count++
  t.is(count, read.length)
  t.deepEqual(
    seen.map(({ from, to }) => [from, to]),
    ranges,
  )

  const followed: Skipped[] = []
  count = 0
  for await (const message of log.tail({
    from: 'start',
    onCorruption: (skipped) => followed.push(skipped),
  })) {
    count++
    if (message.seq === COUNT - 1) break
  }
  t.is(count, read.length)
  t.deepEqual(
    followed.map(({ from, to }) => [from, to]),
    ranges,
  )
})

test('damage behind the last message of a range costs it nothing', (t) => {
  const { dir } = written(t)
  const base = bases(dir)[2]!
  flip(segment(dir, base), 4096 + 3)
  using log = Chronicle.open(dir, { readOnly: true })
  const seqs = (range: ReadOptions) => [...log.read(range)].map(({ seq }) => seq)
  t.deepEqual(seqs({ from: base - 2, to: base }), [base - 2, base - 1])
  refuses(t, () => seqs({ from: base - 2, to: base + 1 }), 'ERR_CHRONICLE_CORRUPT')
})

test('damage in front of the first message that is wanted costs none, and none is told', (t) => {
  const { dir } = written(t)
  const base = bases(dir)[2]!
  const index = segment(dir, base).replace('.seg', '.idx')
  const marks = readFileSync(index)
  using log = Chronicle.open(dir, { readOnly: true })
  // Without an index the walk to the message starts with the segment.
  rmSync(index)
  const skipped: Skipped[] = []
  using cursor = log.cursor({ from: base + 200, onCorruption: (range) => skipped.push(range) })
  writeFileSync(index, marks)
  flip(segment(dir, base), 4096 + 3)
  t.true(cursor.next())
  t.is(cursor.seq, base + 200)
  t.deepEqual(skipped, [])
})

test(`'skip' tells by a warning`, async (t) => {
  const { dir } = written(t)
  flip(segment(dir), 4096 + 64 * 50 + 3)
  using log = Chronicle.open(dir, { readOnly: true })
  const warned = once(process, 'warning')
  const count = [...log.read({ onCorruption: 'skip' })].length
  const [warning] = (await warned) as [Error & { code?: string }]
  t.is(warning.code, 'CHRONICLE_SKIPPED')
  t.regex(warning.message, /^messages 2 to \d+ were skipped: /)
  t.true(count > COUNT - 130 && count < COUNT)
})

test('damage with nothing good behind it is thrown, and a function that throws ends the reading', (t) => {
  const { dir } = written(t)
  flip(segment(dir, bases(dir).at(-1)), 4096 + 64 + 3)
  using log = Chronicle.open(dir, { readOnly: true })
  const last = bases(dir).at(-1)!
  const skipped: Skipped[] = []
  const read = () => [...log.read({ from: last, onCorruption: (range) => skipped.push(range) })]
  const found = read()
  t.is(found[0]?.seq, skipped[0]?.to)
  const stop = new Error('stop')
  t.is(
    t.throws(() => [
      ...log.read({
        onCorruption: () => {
          throw stop
        },
      }),
    ]),
    stop,
  )
  for (const index of [1, 2])
    rmSync(segment(dir, bases(dir).at(-index)).replace('.seg', '.idx'), { force: true })
  refuses(t, read, 'ERR_CHRONICLE_CORRUPT')
})

test('any bits may flip: nothing is invented and nothing is missing that was not told', (t) => {
  const random = new Random()
  t.log(`CHRONICLE_SEED=${random.seed}`)
  const { dir, payloads } = written(t)
  for (let round = 0; round < 40; round++) {
    const base = bases(dir)[random.below(bases(dir).length - 1)]
    const [at, bit] = [4096 + random.below(500_000), random.below(8)]
    flip(segment(dir, base), at, bit)
    using log = Chronicle.open(dir, { readOnly: true })
    const skipped: Skipped[] = []
    judge(t, payloads, [...log.read({ onCorruption: (range) => skipped.push(range) })].map(pair), skipped)
    flip(segment(dir, base), at, bit)
  }
})

test('wrong use', (t) => {
  const { dir } = written(t)
  using log = Chronicle.open(dir, { readOnly: true })
  refusesArgument(
    t,
    () => log.read({ onCorruption: 'ignore' as 'skip' }),
    /onCorruption must be 'throw', 'skip' or a function/,
  )
  refusesArgument(
    t,
    () => [...log.read({ onCorruption: 'skip', reverse: true })],
    /onCorruption must be 'throw' with reverse/,
  )
  t.is([...log.read({ onCorruption: 'throw', reverse: true })].length, COUNT)
})

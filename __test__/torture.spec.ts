import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

import test, { type ExecutionContext } from 'ava'

import type { Chronicle } from '../index.ts'
import { Fault, judge } from '../torture/bitrot/judge.ts'
import { bitCount, nthBit, randomDamage } from '../torture/bitrot/damage.ts'
import { inAnotherBoot, makeSample, writeFiles, type Sample } from '../torture/bitrot/sample.ts'
import type { Finding } from '../torture/harness.ts'
import { Ledger, Violation } from '../torture/kill/ledger.ts'
import { callOf, textOf, typeOf } from '../torture/kill/work.mjs'
import { Random } from '../torture/random.ts'
import { growth, watch } from '../torture/soak.ts'
import { overwrite, resealRecord } from './helpers/files.ts'
import { folder, fresh, opened } from './helpers/temporary.ts'
import { crc32 } from './reference/crc.ts'
import { survey } from './reference/log.ts'

// The harnesses are right to find nothing only if they find what is planted. Here it is planted in what they look at.

const SEED = 5

/** Appends what a writer of this life would, so many calls. Returns the seq behind them. */
function live(log: Chronicle, life: number, start: number, calls: number): number {
  let seq = start
  for (let call = 0; call < calls; call++) {
    const { size } = callOf(SEED, life, seq)
    const items = Array.from({ length: size }, (_, index) => ({
      payload: textOf(SEED, life, seq + index),
      type: typeOf(SEED, life, seq + index),
    }))
    log.appendBatch(items)
    seq += size
  }
  return seq
}

function tell(path: string, ...words: [start: number, done: number, underWay: number]): void {
  writeFileSync(path, new Uint8Array(Float64Array.from(words).buffer))
}

/** A log of one life, and its ledger, which has seen that. */
function killed(t: ExecutionContext): { log: Chronicle; ledger: Ledger; end: number } {
  const log = fresh(t)
  const ledger = new Ledger(log.path, SEED)
  const first = live(log, 0, 0, 30)
  log.close()
  tell(ledger.told('writer'), 0, first, first + 1)
  t.is(ledger.afterWriter(0)['messages'], first)
  return { log, ledger, end: first }
}

function finds(t: ExecutionContext, kind: Finding['kind'], look: () => unknown): void {
  const error = t.throws(look, { instanceOf: Violation })
  t.is(error?.kind, kind, error?.message)
}

test('the ledger of the kill harness finds lost, invented and changed messages', (t) => {
  const { log, ledger, end } = killed(t)
  const told = ledger.told('writer')
  const again = (start: number, done: number, underWay: number) => {
    const copy = new Ledger(log.path, SEED)
    tell(copy.told('writer'), start, done, underWay)
    return () => copy.afterWriter(0)
  }
  t.notThrows(again(0, end, end))
  finds(t, 'lost', again(0, end + 1, end + 1))
  finds(t, 'invented', again(0, end - 2, end - 1))
  finds(t, 'invented', again(1, end, end))
  tell(told, end - 1, end, end)
  finds(t, 'lost', () => ledger.afterWriter(1))
  finds(t, 'wrong', () => {
    tell(told, 0, end, end)
    return new Ledger(log.path, SEED + 1).afterWriter(0)
  })
  const { messages } = survey(log.path)
  const { path, offset, payload } = messages[3]!
  overwrite(path, offset + 64, Buffer.from('9'))
  finds(t, 'wrong', again(0, end, end))
  const other = Buffer.concat([Buffer.from('9'), payload.subarray(1)])
  resealRecord(path, offset, (header) => header.writeUInt32LE(crc32(other), 20))
  t.is(survey(log.path).refusal, undefined)
  finds(t, 'wrong', again(0, end, end))
})

test('the ledger finds positions behind the last commit, and ahead of what was read', (t) => {
  const { log, ledger, end } = killed(t)
  const told = ledger.told('reader-billing')
  const look = () => ledger.afterCommitter('billing')
  t.notThrows(look)
  tell(told, 0, 3, 4)
  finds(t, 'position', look)
  const position = (seq: number) => {
    const again = opened(t, log.path)
    again.setReader('billing', seq)
    again.close()
  }
  position(3)
  t.notThrows(look)
  position(4)
  t.notThrows(look)
  position(5)
  finds(t, 'position', look)
  tell(told, 0, 6, end)
  finds(t, 'position', look)
})

async function sampleOf(t: ExecutionContext): Promise<{ sample: Sample; dir: string }> {
  const root = folder(t)
  const sample = await makeSample(join(root, 'sample'), 'small')
  const dir = join(root, 'log')
  writeFiles(dir, sample.files)
  return { sample, dir }
}

test('the judge of damaged logs finds nothing in a sound one', async (t) => {
  const { sample, dir } = await sampleOf(t)
  for (const boot of [sample, inAnotherBoot(sample)]) {
    writeFiles(dir, boot.files)
    t.is(await judge(dir, boot, new Random(1)), 'whole')
  }
})

test('the judge finds messages that are lost, invented or changed, and positions that are wrong', async (t) => {
  const { sample, dir } = await sampleOf(t)
  const [first, ...rest] = sample.messages
  const last = sample.messages.at(-1)!
  const planted: [Finding['kind'], Partial<Sample>][] = [
    ['lost', { messages: [...sample.messages, { ...last, seq: last.seq + 1 }], promised: last.seq + 2 }],
    ['invented', { messages: sample.messages.slice(0, -1) }],
    ['wrong', { messages: [{ ...first!, payload: Buffer.from('jello') }, ...rest] }],
    ['wrong', { messages: [{ ...first!, type: 8 }, ...rest] }],
    ['wrong', { messages: rest }],
    ['position', { positions: { billing: [1, 2] } }],
  ]
  for (const [kind, fault] of planted) {
    writeFiles(dir, sample.files)
    const error = await t.throwsAsync(judge(dir, { ...sample, ...fault }, new Random(1)), {
      instanceOf: Fault,
    })
    t.is(error?.kind, kind, error?.message)
  }
})

test('the damages are those of the seed, change one file and reach every used bit', async (t) => {
  const { sample } = await sampleOf(t)
  t.is(bitCount(sample), [...sample.used.values()].reduce((sum, bytes) => sum + bytes, 0) * 8)
  const flips = new Set<string>()
  for (let index = 0; index < bitCount(sample); index += 997) {
    const { name, bytes, what } = nthBit(sample, index)
    const before = sample.files.get(name)!
    t.is(bytes!.length, before.length)
    const changed = [...bytes!.keys()].filter((at) => bytes![at] !== before[at])
    t.is(changed.length, 1, what)
    flips.add(what)
  }
  t.is(flips.size, Math.ceil(bitCount(sample) / 997))
  for (let index = 0; index < 300; index++) {
    const [one, two] = [
      randomDamage(sample, new Random(3, index)),
      randomDamage(sample, new Random(3, index)),
    ]
    t.is(one.what, two.what)
    t.true(one.bytes === undefined ? two.bytes === undefined : two.bytes?.equals(one.bytes))
  }
})

const whereHeldIsTold = process.platform === 'linux' ? test : test.skip

whereHeldIsTold('workers that are terminated as they start to follow leave no thread behind', async (t) => {
  const dir = join(folder(t), 'log')
  const { samples, failure } = await watch({ dir, seed: SEED, opens: 100, every: 20, crews: 5 })
  t.is(failure, undefined)
  t.true(samples.at(-1)!.workers > 30)
  t.is(growth(samples), undefined)
})

whereHeldIsTold('the soak finds what is never given back', async (t) => {
  const soak = (leak?: 'log' | 'descriptor' | 'memory') =>
    watch({ dir: join(folder(t), 'log'), seed: SEED, opens: 300, every: 30, crews: 0, leak })
  const sound = await soak()
  t.is(sound.failure, undefined)
  t.is(growth(sound.samples), undefined)
  for (const [leak, what] of [
    ['log', /^\d+ descriptors and mappings of the log/],
    ['descriptor', /^descriptors have grown/],
    ['memory', /^external have grown/],
  ] as const) {
    const { samples, failure } = await soak(leak)
    t.is(failure, undefined)
    t.regex(growth(samples) ?? '', what)
  }
  const [first] = sound.samples
  const rising = (name: 'threads' | 'mappings' | 'rss', by: number) =>
    Array.from({ length: 9 }, (_, at) => ({ ...first!, opens: at, [name]: first![name] + at * by }))
  t.regex(growth(rising('threads', 1)) ?? '', /^threads have grown/)
  t.regex(growth(rising('mappings', 60)) ?? '', /^mappings have grown/)
  t.regex(growth(rising('rss', 10 << 20)) ?? '', /^rss have grown/)
})

/** Pruning: what each limit removes, what stays, and the gap that a reader meets. */
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

import test, { type ExecutionContext } from 'ava'

import { Chronicle, type PruneOptions, type Retention } from '../index.ts'
import { appendPayloads, checkPayloads } from './helpers/contents.ts'
import { bases, indexOf, overwrite, snapshot } from './helpers/files.ts'
import { refuses, refusesArgument, rejects } from './helpers/refusal.ts'
import { fresh, nowhere, opened } from './helpers/temporary.ts'

const COUNT = 3000

function rolled(t: ExecutionContext): Chronicle {
  const log = fresh(t)
  appendPayloads(log, 0, COUNT)
  t.true(bases(log.path).length > 8)
  // No helper thread of a writer changes a file from here on.
  log.close()
  return opened(t, log.path)
}

test('each limit removes whole segments, oldest first, and never the one that is appended to', (t) => {
  const limits: [PruneOptions, 'all' | 'some' | 'none'][] = [
    [{ keepBytes: 0 }, 'all'],
    [{ keepBytes: 300_000 }, 'some'],
    [{ keepBytes: 2 ** 53 - 1 }, 'none'],
    [{ keepMessages: 0 }, 'all'],
    [{ keepMessages: 1000 }, 'some'],
    [{ keepMessages: COUNT }, 'none'],
    [{ keepMessages: 2 ** 53 - 1 }, 'none'],
    [{ keepMs: 0 }, 'all'],
    [{ keepMs: 2 ** 53 - 1 }, 'none'],
    // Any one limit is enough.
    [{ keepMessages: COUNT, keepBytes: 0 }, 'all'],
    [{ keepMs: 2 ** 53 - 1, keepMessages: 1000 }, 'some'],
    [{ keepBytes: 0, keepUnread: false }, 'all'],
    [{ keepBytes: 0, keepUnread: undefined }, 'all'],
    // Nobody reads by name: that is no reason to remove anything.
    [{ keepUnread: true }, 'none'],
  ]
  for (const [options, removed] of limits) {
    const log = rolled(t)
    const before = bases(log.path)
    const files = snapshot(log.path)
    const planned = log.prune({ ...options, dryRun: true })
    t.deepEqual(snapshot(log.path), files)
    const bytes = log.stats().bytes
    const report = log.prune({ ...options, dryRun: false })
    const name = JSON.stringify(options)
    t.deepEqual(report, planned, name)
    const left = bases(log.path)
    t.deepEqual(left, before.slice(report.segments), name)
    t.is(report.segments, { all: before.length - 1, none: 0, some: report.segments }[removed], name)
    if (removed === 'some') t.true(report.segments > 0 && left.length > 1, name)
    t.deepEqual([report.firstSeq, log.firstSeq], [left[0], left[0]], name)
    t.is(log.stats().bytes, bytes - report.bytes)
    t.is(log.stats().segments, left.length)
    if (options.keepBytes !== undefined && removed === 'some') t.true(log.stats().bytes <= options.keepBytes)
    if (options.keepMessages !== undefined) {
      t.true(log.firstSeq <= Math.max(left.at(-1)!, COUNT - options.keepMessages))
    }
    t.is(checkPayloads(t, log, log.firstSeq), COUNT)
    appendPayloads(log, COUNT, COUNT + 1)
    log.close()
  }
})

test('what a named reader has still to read stays, unless keepUnread is false', (t) => {
  const log = rolled(t)
  const [, , second, third] = bases(log.path) as [number, number, number, number]
  log.setReader('slow', third - 1)
  log.setReader('fast', COUNT)
  t.is(log.prune({ keepBytes: 0 }).firstSeq, second)
  t.is(log.prune({ keepBytes: 0, keepUnread: true }).segments, 0)
  t.is(log.prune({ keepUnread: true }).segments, 0)
  t.is([...log.read({ from: third - 1, limit: 1 })].length, 1)
  log.setReader('slow', third)
  t.is(log.prune({ keepUnread: true }).firstSeq, third)
  log.removeReader('slow')
  const last = bases(log.path).at(-1)!
  t.is(log.prune({ keepUnread: true }).firstSeq, last)

  const other = rolled(t)
  other.setReader('slow', 0)
  t.is(other.prune({ keepMessages: 0 }).segments, 0)
  t.true(other.prune({ keepMessages: 0, keepUnread: false }).segments > 0)
})

test('a prune without any limit, and options that are none, are refused', (t) => {
  const log = rolled(t)
  const files = snapshot(log.path)
  const prune = log.prune.bind(log) as (options?: unknown) => unknown
  const open = (retention: unknown) => () => Chronicle.open(nowhere(t), { retention: retention as Retention })
  for (const options of [undefined, {}, { dryRun: true }, { keepUnread: false }, { keepBytes: undefined }]) {
    refusesArgument(t, () => prune(options), /prune must have keepBytes, keepMs, keepMessages or keepUnread/)
  }
  for (const options of [{}, { keepUnread: false }]) refusesArgument(t, open(options), /must have keepBytes/)
  for (const name of ['keepBytes', 'keepMs', 'keepMessages']) {
    for (const value of [-1, 0.5, NaN, Infinity, '1', null, 1n, 2 ** 53]) {
      refusesArgument(t, () => prune({ [name]: value }), new RegExp(`^${name} must be a whole number`))
      refusesArgument(t, open({ [name]: value }), new RegExp(`^retention\\.${name} must be a whole number`))
    }
  }
  for (const value of [1, null, 'yes']) {
    refusesArgument(t, () => prune({ keepUnread: value }), /^keepUnread must be true or false/)
    refusesArgument(t, open({ keepUnread: value }), /^retention\.keepUnread must be true or false/)
    refusesArgument(t, () => prune({ keepBytes: 0, dryRun: value }), /^dryRun must be true or false/)
    refusesArgument(t, () => prune(value), /options of prune must be an object/)
    refusesArgument(t, open(value), /retention must be an object/)
  }
  refusesArgument(t, () => prune({ keepByte: 0 }), /prune has no option "keepByte"/)
  refusesArgument(t, open({ keepBytes: 0, dryRun: true }), /retention has no option "dryRun"/)
  t.deepEqual(snapshot(log.path), files)
  log.close()
  refuses(t, () => log.prune({ keepBytes: 0 }), 'ERR_CHRONICLE_CLOSED')
})

test('a chronicle that is open for reading only can tell what would go', (t) => {
  const log = rolled(t)
  const other = opened(t, log.path, { readOnly: true })
  const files = snapshot(log.path)
  refuses(t, () => other.prune({ keepBytes: 0 }), 'ERR_CHRONICLE_READ_ONLY')
  const planned = other.prune({ keepBytes: 0, dryRun: true })
  t.deepEqual(snapshot(log.path), files)
  t.deepEqual(log.prune({ keepBytes: 0 }), planned)
})

test('who asks for what was pruned gets the gap with the first seq that is left', async (t) => {
  const log = rolled(t)
  log.setReader('r', 5)
  const { firstSeq: first } = log.prune({ keepBytes: 0, keepUnread: false })
  const calls = [
    () => [...log.read({ from: 5 })],
    () => log.cursor({ from: first - 1 }).next(),
    () => log.tail({ from: 0 }),
    () => log.tail({ name: 'r' }),
    () => log.tail({ name: 'new', newFrom: 1 }),
  ]
  for (const call of calls) {
    const error = refuses(t, call, 'ERR_CHRONICLE_GAP')
    t.deepEqual([error.first, error.path], [first, log.path])
  }
  t.is(refuses(t, calls[0]!, 'ERR_CHRONICLE_GAP').seq, 5)
  refuses(t, () => [...log.read({ from: 5, reverse: true })], 'ERR_CHRONICLE_GAP')
  // All that does not ask for a seq that is gone begins with what is left.
  for (const from of ['start', -(10 ** 9), 0n, new Date(0), first] as const) {
    t.is([...log.read({ from, limit: 1 })][0]?.seq, first, String(from))
  }
  log.setReader('r', first)
  t.is((await log.tail({ name: 'r' }).next()).value?.seq, first)
})

test('a reader within a file that is removed reads it to its end, and then meets the gap', async (t) => {
  const log = rolled(t)
  const other = opened(t, log.path, { readOnly: true })
  const [, second] = bases(log.path) as [number, number]
  const cursor = other.cursor()
  t.true(cursor.next())
  const tail = other.tail({ from: 0 })
  t.is((await tail.next()).value?.seq, 0)
  const iterator = other.read({ from: 0 })[Symbol.iterator]()
  iterator.next()
  const { firstSeq: first } = log.prune({ keepBytes: 0 })
  t.is(other.firstSeq, first)

  const followed = []
  const error = await rejects(
    t,
    (async () => {
      for await (const message of tail) followed.push(message.seq)
    })(),
    'ERR_CHRONICLE_GAP',
  )
  t.is(error.first, first)
  t.true(followed.length >= second - 1)
  let seq = 0
  t.is(
    refuses(
      t,
      () => {
        while (cursor.next()) seq = cursor.seq
      },
      'ERR_CHRONICLE_GAP',
    ).first,
    first,
  )
  t.true(seq >= second - 1 && seq < first)
  t.is(
    refuses(
      t,
      () => {
        while (iterator.next().done !== true);
      },
      'ERR_CHRONICLE_GAP',
    ).first,
    first,
  )
  t.is(checkPayloads(t, other, first), COUNT)
})

test('with the option, every roll prunes', async (t) => {
  const log = fresh(t, { segmentBytes: 65_536, retention: { keepMessages: 1000 } })
  const plain = opened(t, log.path)
  for (let seq = 0; seq < 20_000; seq += 500) {
    appendPayloads(log, seq, seq + 500)
    await pause(2)
  }
  // A helper thread prunes behind the roll.
  while (log.firstSeq < 18_000) await pause(5)
  t.true(log.firstSeq <= 19_000, `${log.firstSeq}`)
  t.is(log.stats().pruneFailure, undefined)
  log.close()
  t.is(checkPayloads(t, plain, plain.firstSeq), 20_000)
  // It is an option of the handle, not of the log.
  const { firstSeq } = plain
  appendPayloads(plain, 20_000, 23_000)
  t.is(plain.firstSeq, firstSeq)
})

test('with the option too, an unread message stays', async (t) => {
  const log = fresh(t, { segmentBytes: 65_536, retention: { keepBytes: 0 } })
  const tail = log.tail({ name: 'slow' })
  appendPayloads(log, 0, 5000)
  await pause(50)
  t.is(log.firstSeq, 0)
  for (let seq = 0; seq < 4000; seq++) await tail.next()
  tail.commit(3999)
  appendPayloads(log, 5000, 6000)
  while (log.firstSeq < 3500) await pause(5)
  t.true(log.firstSeq <= 4000)
})

test('a position that cannot be read keeps everything', async (t) => {
  const log = fresh(t, { segmentBytes: 65_536, retention: { keepMessages: 10 } })
  log.setReader('bad', 0)
  overwrite(join(log.path, 'readers', 'bad'), 512, Buffer.alloc(1024, 7))
  appendPayloads(log, 0, COUNT)
  while (log.stats().pruneFailure === undefined) await pause(5)
  const error = refuses(t, () => log.prune({ keepBytes: 0 }), 'ERR_CHRONICLE_CORRUPT')
  t.is(error.path, join(log.path, 'readers', 'bad'))
  t.is(log.firstSeq, 0)
  t.is(checkPayloads(t, log), COUNT)
  log.removeReader('bad')
  appendPayloads(log, COUNT, COUNT + 1000)
  while (log.firstSeq === 0 || log.stats().pruneFailure !== undefined) await pause(5)
  // Its helper thread may be at another prune.
  log.close()
  const left = opened(t, log.path, { readOnly: true })
  t.is(checkPayloads(t, left, left.firstSeq), COUNT + 1000)
})

test('why the prune of a roll fails is told, and the next one tries again', async (t) => {
  const log = fresh(t, { segmentBytes: 65_536, retention: { keepMessages: 500 } })
  const index = indexOf(log.path)
  mkdirSync(join(index, 'in the way'), { recursive: true })
  appendPayloads(log, 0, COUNT)
  while (log.stats().pruneFailure === undefined) await pause(5)
  t.true(log.stats().pruneFailure?.includes(index))
  t.true(bases(log.path).includes(0))
  t.is(checkPayloads(t, log, log.firstSeq), COUNT)
  rmSync(index, { recursive: true })
  appendPayloads(log, COUNT, COUNT + 1000)
  while (log.stats().pruneFailure !== undefined) await pause(5)
  // Its helper thread may be at another prune.
  log.close()
  t.false(bases(log.path).includes(0))
  const left = opened(t, log.path, { readOnly: true })
  t.is(checkPayloads(t, left, left.firstSeq), COUNT + 1000)
})

test('a backward read that has come to its end meets no gap, whatever is pruned then', (t) => {
  const log = fresh(t)
  for (let seq = 0; seq < COUNT; seq++) log.append('x')
  const first = bases(log.path)[2]!
  // As many messages as are fetched at once, so that the reader has not looked at what comes before them.
  const messages = log.read({ from: first, to: first + 1024, reverse: true })[Symbol.iterator]()
  for (let seq = first + 1023; seq >= first; seq--) t.is(messages.next().value?.seq, seq)
  log.prune({ keepMessages: 1 })
  t.true(log.firstSeq > first)
  t.true(messages.next().done)
  refuses(t, () => [...log.read({ from: first, reverse: true })], 'ERR_CHRONICLE_GAP')
})

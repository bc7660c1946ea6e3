import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import test from 'ava'

import { Chronicle } from '../index.ts'
import { bases, settled, snapshot } from './helpers/files.ts'
import { refuses, rejects } from './helpers/refusal.ts'
import { folder, fresh, nowhere, opened } from './helpers/temporary.ts'

const onUnix = process.platform === 'win32' ? test.skip : test

test('open creates the directory and its parents, and an empty log', (t) => {
  const dir = join(nowhere(t), 'deep', 'down')
  const log = opened(t, dir)
  t.is(log.path, dir)
  t.deepEqual([log.firstSeq, log.nextSeq, log.durableSeq], [0, 0, 0])
  t.deepEqual([...log.read()], [])
  t.true(existsSync(join(dir, 'control')))
})

test('an existing empty directory is taken, one of someone else is left alone', (t) => {
  const dir = folder(t)
  opened(t, dir).append('x')
  const other = folder(t)
  writeFileSync(join(other, 'notes.txt'), 'mine')
  const before = snapshot(other)
  const error = refuses(t, () => Chronicle.open(other), 'ERR_CHRONICLE_NOT_A_CHRONICLE', /notes\.txt/)
  t.is(error.path, other)
  t.deepEqual(snapshot(other), before)
  const file = join(other, 'notes.txt')
  t.is(refuses(t, () => Chronicle.open(file), 'ERR_CHRONICLE_NOT_A_CHRONICLE').path, file)
})

test('without create, and read-only, nothing is created', (t) => {
  const dir = nowhere(t)
  t.is(refuses(t, () => Chronicle.open(dir, { create: false }), 'ERR_CHRONICLE_NOT_FOUND').path, dir)
  refuses(t, () => Chronicle.open(dir, { readOnly: true }), 'ERR_CHRONICLE_NOT_FOUND')
  t.false(existsSync(dir))
  mkdirSync(dir)
  refuses(t, () => Chronicle.open(dir, { create: false }), 'ERR_CHRONICLE_NOT_FOUND')
  refuses(t, () => Chronicle.open(dir, { readOnly: true }), 'ERR_CHRONICLE_NOT_FOUND')
  t.deepEqual(readdirSync(dir), [])
})

onUnix('files are created with the mode asked for, 0600 by default', async (t) => {
  for (const mode of [0o600, 0o640, 0o664]) {
    const log = opened(t, nowhere(t), mode === 0o600 ? {} : { mode })
    log.append('x')
    await settled(log.path)
    for (const name of readdirSync(log.path)) t.is(statSync(join(log.path, name)).mode & 0o777, mode, name)
  }
})

test('a read-only handle reads and follows, and refuses to write', async (t) => {
  const first = fresh(t)
  first.append('one')
  // The helper thread of an open writer makes an index and stores what is durable, at times of its own.
  first.close()
  const log = opened(t, first.path, { readOnly: true })
  const before = snapshot(log.path)
  t.is([...log.read()][0]!.text(), 'one')
  t.is(refuses(t, () => log.append('no'), 'ERR_CHRONICLE_READ_ONLY').path, log.path)
  refuses(t, () => log.appendBatch(['no']), 'ERR_CHRONICLE_READ_ONLY')
  refuses(t, () => log.acquire(), 'ERR_CHRONICLE_READ_ONLY')
  await rejects(t, log.sync(), 'ERR_CHRONICLE_READ_ONLY')
  t.deepEqual(snapshot(log.path), before)
  const next = log.tail().next()
  opened(t, log.path).append('two')
  t.is((await next).value?.text(), 'two')
  t.is(log.nextSeq, 2)
})

test('opening takes no lock; the first append does, and close gives it back', (t) => {
  const a = fresh(t)
  const b = opened(t, a.path)
  a.append('from a')
  const locked = refuses(t, () => b.append('from b'), 'ERR_CHRONICLE_LOCKED', new RegExp(String(process.pid)))
  t.is(locked.pid, process.pid)
  refuses(t, () => b.acquire(), 'ERR_CHRONICLE_LOCKED')
  a.acquire()
  a.close()
  b.acquire({ wait: 0 })
  t.is(b.append('from b'), 1)
})

test('acquire waits as long as it is told, and no longer', (t) => {
  const a = fresh(t)
  a.acquire()
  const b = opened(t, a.path)
  const start = performance.now()
  refuses(t, () => b.acquire({ wait: 200 }), 'ERR_CHRONICLE_LOCKED')
  const waited = performance.now() - start
  t.true(waited >= 195 && waited < 2000, `${waited} ms`)
})

test('everything refuses after close, and close may be called again', async (t) => {
  const log = fresh(t)
  log.append('x')
  const [reader, iterator, cursor, tail] = [
    log.read(),
    log.read()[Symbol.iterator](),
    log.cursor(),
    log.tail(),
  ]
  t.false(log.closed)
  log.close()
  log.close()
  t.true(log.closed && cursor.closed && tail.closed)
  const calls: (() => unknown)[] = [
    () => log.append('x'),
    () => log.append(new Uint8Array(2)),
    () => log.append(new Uint8Array(100_000)),
    () => log.appendBatch(['x']),
    () => log.acquire(),
    () => log.firstSeq,
    () => log.nextSeq,
    () => log.durableSeq,
    () => log.stats(),
    () => log.read(),
    () => log.cursor(),
    () => log.tail(),
    () => [...reader],
    () => iterator.next(),
    () => cursor.next(),
  ]
  for (const call of calls) refuses(t, call, 'ERR_CHRONICLE_CLOSED')
  await rejects(t, log.sync(), 'ERR_CHRONICLE_CLOSED')
  await rejects(t, log.durable(0), 'ERR_CHRONICLE_CLOSED')
  await rejects(t, tail.next(), 'ERR_CHRONICLE_CLOSED')
  cursor.close()
  tail.close()
  iterator.return()
})

test('using closes', async (t) => {
  const dir = nowhere(t)
  let kept: Chronicle
  {
    using log = Chronicle.open(dir)
    log.append('one')
    kept = log
  }
  t.true(kept.closed)
  {
    await using log = Chronicle.open(dir)
    log.append('two')
    kept = log
  }
  t.true(kept.closed)
  t.is(opened(t, dir).durableSeq, 2)
})

test('stats tell what there is', (t) => {
  const log = fresh(t, { segmentBytes: 65_536 })
  t.like(log.stats(), { firstSeq: 0, nextSeq: 0, segments: 1, segmentBytes: 65_536, epoch: 0 })
  t.is(log.stats().writerPid, undefined)
  for (let count = 0; count < 1000; count++) log.append('x'.repeat(200))
  const stats = log.stats()
  t.like(stats, { firstSeq: 0, nextSeq: 1000, epoch: 1, writerPid: process.pid })
  t.is(stats.segments, bases(log.path).length)
  t.true(stats.segments >= 4)
  t.true(stats.bytes >= 1000 * 256 && stats.bytes <= 65_536 * (stats.segments + 1))
  t.deepEqual(stats.recovery, {
    sameBoot: false,
    checkedMessages: 0,
    droppedBatchMessages: 0,
    quarantined: [],
    finishedRoll: false,
    movedReaders: [],
  })
})

test('segmentBytes of a chronicle is remembered', (t) => {
  const { path } = fresh(t, { segmentBytes: 131_072 })
  t.is(opened(t, path).stats().segmentBytes, 131_072)
  t.is(opened(t, path, { segmentBytes: 65_536 }).stats().segmentBytes, 65_536)
})

test('sync makes everything durable, and callers that come together share a flush', async (t) => {
  const log = fresh(t, { sync: 'none' })
  t.is(await log.sync(), 0)
  for (let count = 0; count < 100; count++) log.append('x')
  t.is(log.durableSeq, 0)
  const promises = Array.from({ length: 64 }, () => log.sync())
  t.true((await Promise.all(promises)).every((seq) => seq === 100))
  t.is(log.durableSeq, 100)
  // A message that is appended while a flush runs is covered by the call that follows it.
  const running = log.sync()
  await Promise.resolve()
  log.append('late')
  const [, covered] = await Promise.all([running, log.sync()])
  t.is(covered, 101)
})

test('durable resolves once the message is safe, for the writer and for others', async (t) => {
  const log = fresh(t, { sync: 'none' })
  const other = opened(t, log.path, { readOnly: true })
  const seq = log.append('x')
  let safe = false
  const waiting = other.durable(seq).then(() => (safe = true))
  await new Promise((resolve) => setTimeout(resolve, 30))
  t.false(safe)
  await log.durable(seq)
  t.true(log.durableSeq > seq)
  await waiting
  await log.durable(0)
  const abort = new AbortController()
  const never = log.durable(1000, { signal: abort.signal })
  abort.abort(new Error('enough'))
  const error = await rejects(t, never, 'ERR_CHRONICLE_ABORTED')
  t.is((error.cause as Error).message, 'enough')
})

test('the helper thread flushes unasked, and always flushes at once', async (t) => {
  const log = fresh(t, { sync: { everyMs: 5 } })
  log.append('x')
  const start = Date.now()
  while (log.durableSeq === 0 && Date.now() - start < 5000)
    await new Promise((resolve) => setTimeout(resolve, 5))
  t.is(log.durableSeq, 1)
  const always = fresh(t, { sync: 'always' })
  always.append('x')
  t.is(always.durableSeq, 1)
  always.appendBatch(['y', 'z'])
  t.is(always.durableSeq, 3)
})

test('closing while a flush runs loses nothing', async (t) => {
  const log = fresh(t, { sync: 'none' })
  for (let count = 0; count < 1000; count++) log.append('x'.repeat(1000))
  const flushed = log.sync()
  await Promise.resolve()
  log.close()
  const settled = await flushed.catch((error: { code: string }) => error.code)
  t.true(settled === 1000 || settled === 'ERR_CHRONICLE_CLOSED', String(settled))
})

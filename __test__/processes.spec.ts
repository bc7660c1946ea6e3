/** Several processes on one log. */
import { setTimeout as pause } from 'node:timers/promises'

import test from 'ava'

import { Chronicle } from '../index.ts'
import { checkPayloads } from './helpers/contents.ts'
import { bases, segment, settledSnapshot, snapshot } from './helpers/files.ts'
import { payloadOf, sumOf, typeOf } from './helpers/payloads.ts'
import { Peer } from './helpers/process.ts'
import { refuses } from './helpers/refusal.ts'
import { fresh, nowhere, opened } from './helpers/temporary.ts'

test('another process follows while this one goes on, and a third starts late', async (t) => {
  const log = fresh(t, { segmentBytes: 65_536 })
  const count = 20_000
  const early = new Peer(t, 'tail', log.path, 0, count)
  await early.message()
  let late: Peer | undefined
  for (let seq = 0; seq < count; seq++) {
    log.append(payloadOf(seq), { type: typeOf(seq) })
    if (seq % 250 === 0) await pause(1)
    if (seq === count / 2) late = new Peer(t, 'tail', log.path, count / 4, count - count / 4)
  }
  t.true(bases(log.path).length > 20)
  t.deepEqual(await early.message(), { sum: sumOf(0, count - 1) })
  await late!.message()
  t.deepEqual(await late!.message(), { sum: sumOf(count / 4, count - 1) })
  t.deepEqual(await early.exit, { code: 0, signal: null })
})

test('this process follows one that writes', async (t) => {
  const dir = fresh(t).path
  const log = opened(t, dir, { readOnly: true })
  const tail = log.tail({ keepAlive: true })
  const writer = new Peer(t, 'write', dir, 5000)
  let seq = 0
  for await (const message of tail) {
    t.is(message.seq, seq)
    if (Buffer.compare(message.payload, payloadOf(seq)) !== 0) t.fail(`message ${seq}`)
    if (++seq === 5000) break
  }
  t.deepEqual(await writer.message(), { wrote: 5000 })
  t.is(log.nextSeq, 5000)
})

test('the writer lock of another process is refused with its pid, and waited for', async (t) => {
  const { path } = fresh(t)
  const holder = new Peer(t, 'hold', path)
  t.deepEqual(await holder.message(), { held: holder.pid })
  const log = opened(t, path)
  const before = await settledSnapshot(path)
  const error = refuses(t, () => log.append('x'), 'ERR_CHRONICLE_LOCKED', new RegExp(String(holder.pid)))
  t.is(error.pid, holder.pid)
  t.is(log.stats().writerPid, holder.pid)
  t.deepEqual(snapshot(path), before)
  // Reading needs no lock.
  t.deepEqual([...log.read()], [])
  holder.child.kill('SIGTERM')
  log.acquire({ wait: 10_000 })
  t.is(log.append('mine now'), 0)
})

const onUnix = process.platform === 'win32' ? test.skip : test

onUnix('a stopped writer keeps its lock, a killed one does not', async (t) => {
  const { path } = fresh(t)
  const holder = new Peer(t, 'hold', path)
  await holder.message()
  holder.child.kill('SIGSTOP')
  const log = opened(t, path)
  refuses(t, () => log.acquire({ wait: 300 }), 'ERR_CHRONICLE_LOCKED')
  await holder.kill()
  log.acquire()
  t.is(log.append('x'), 0)
})

test('a writer that is killed at any moment loses nothing that append returned for', async (t) => {
  const dir = nowhere(t)
  Chronicle.open(dir, { segmentBytes: 65_536 }).close()
  let acknowledged = 0
  let verified = 0
  for (let round = 0; round < 8; round++) {
    const writer = new Peer(t, 'appendForever', dir)
    while (writer.acknowledged < 0) await pause(5)
    await pause(5 + round * 11)
    await writer.kill()
    acknowledged = writer.acknowledged
    const reader = opened(t, dir, { readOnly: true })
    const before = checkPayloads(t, reader, verified)
    t.true(before >= acknowledged, `round ${round}: ${before} messages, ${acknowledged} acknowledged`)
    const log = opened(t, dir)
    log.acquire()
    t.is(log.nextSeq, before)
    t.like(log.stats().recovery, { sameBoot: true, quarantined: [] })
    t.is(log.append(payloadOf(before), { type: typeOf(before) }), before)
    verified = before + 1
    t.is(checkPayloads(t, log, before), verified)
    log.close()
  }
  t.true(acknowledged > 1000, `${acknowledged}`)
})

test('a writer of batches that is killed leaves whole batches', async (t) => {
  const dir = nowhere(t)
  Chronicle.open(dir, { segmentBytes: 65_536 }).close()
  let verified = 0
  for (let round = 0; round < 5; round++) {
    const writer = new Peer(t, 'batchForever', dir)
    while (writer.acknowledged < 0) await pause(5)
    await pause(5 + round * 7)
    await writer.kill()
    const { acknowledged } = writer
    const log = opened(t, dir)
    log.acquire()
    t.true(log.nextSeq >= acknowledged)
    let left = 0
    for (const message of log.read({ from: verified })) {
      if (left > 0) t.is(message.batchRemaining, left - 1)
      left = message.batchRemaining
    }
    t.is(left, 0, 'the last batch is whole')
    t.is(checkPayloads(t, log, verified), log.nextSeq)
    verified = log.nextSeq
    log.close()
  }
})

test('an idle tail does not keep a process alive', async (t) => {
  const { path } = fresh(t)
  const start = performance.now()
  const idle = new Peer(t, 'idleTail', path)
  const { code, signal } = await idle.exit
  t.is(signal, null)
  // The promise of its main module that waits for nothing more is no crash.
  t.true(code === 0 || code === 13, String(code))
  t.true(performance.now() - start < 30_000)
})

test('process.exit in the middle of tails and flushes ends as asked', async (t) => {
  const { path } = fresh(t)
  for (let round = 0; round < 3; round++) {
    const busy = new Peer(t, 'exitBusy', path)
    t.deepEqual(await busy.exit, { code: 7, signal: null })
  }
  t.is(opened(t, path).nextSeq, 6)
})

test('processes that open a missing log at once create one log', async (t) => {
  const dir = nowhere(t)
  const writers = Array.from({ length: 4 }, () => new Peer(t, 'write', dir, 200))
  for (const writer of writers) t.deepEqual(await writer.message(), { wrote: 200 })
  const log = opened(t, dir)
  t.is(checkPayloads(t, log), 800)
  t.is(log.firstSeq, 0)
  t.true(bases(dir).includes(0), segment(dir))
})

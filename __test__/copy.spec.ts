import { symlinkSync } from 'node:fs'

import test, { type ExecutionContext } from 'ava'

import { Chronicle, json, type CopyProgress } from '../index.ts'
import { flip, segment } from './helpers/files.ts'
import { refuses, rejects } from './helpers/refusal.ts'
import { fresh, nowhere } from './helpers/temporary.ts'

/** What a copy keeps of each message. */
function kept(log: Chronicle, from = 0, to = log.nextSeq): unknown[] {
  return [...log.read({ from, to })].map(({ type, batchRemaining, payload }) => [
    type,
    batchRemaining,
    Buffer.from(payload).toString('latin1'),
  ])
}

/** Single messages, batches, empty ones and large ones, over several segments. */
function filled(t: ExecutionContext, rounds = 200): Chronicle {
  const log = fresh(t)
  for (let round = 0; round < rounds; round++) {
    log.append(`äöü ${round}`, { type: round })
    log.append('')
    log.appendBatch(
      Array.from({ length: 1 + (round % 5) }, (_, index) => ({ payload: 'b'.repeat(index * 90), type: 7 })),
    )
    if (round % 50 === 20) log.append(Buffer.alloc(70_000, round))
  }
  return log
}

test('a copy has the same payloads, types and batches, behind what was there', async (t) => {
  const log = filled(t)
  const other = fresh(t)
  other.append('there before')
  const count = log.nextSeq
  const bytes = [...log.read()].reduce((sum, { length }) => sum + length, 0)
  const copying = log.copyTo(other)
  log.append('later')
  t.deepEqual(await copying, { messages: count, bytes, first: 1, last: count })
  t.deepEqual(kept(other, 1), kept(log, 0, count))
  t.deepEqual(await log.copyTo(other, { from: -1 }), {
    messages: 1,
    bytes: 5,
    first: count + 1,
    last: count + 1,
  })
  t.deepEqual(await log.copyTo(other, { from: 'end' }), { messages: 0, bytes: 0 })
})

test('no codec is asked: payloads are copied as they are', async (t) => {
  const codec = json<number>()
  const log = Chronicle.open(nowhere(t), { codec })
  const other = Chronicle.open(nowhere(t), { codec })
  t.teardown(() => [log, other].forEach((each) => each.close()))
  log.append(1)
  log.appendBatch([2, 3])
  await log.copyTo(other)
  t.deepEqual(
    [...other.read()].map(({ value, batchRemaining }) => [value, batchRemaining]),
    [
      [1, 0],
      [2, 1],
      [3, 0],
    ],
  )
  const raw = fresh(t)
  raw.append('no json')
  raw.appendBatch(['nor', 'this'])
  await raw.copyTo(other)
  t.deepEqual(
    [...other.read({ from: 3 })].map((message) => message.text()),
    ['no json', 'nor', 'this'],
  )
})

test('a range is copied, and a batch that it cuts is what is left of it', async (t) => {
  const log = fresh(t, { sync: 'none' })
  log.append('x')
  log.appendBatch(['a', 'b', 'c', 'd'])
  const time = [...log.read({ from: -1 })][0]!.timestampNs
  const left = async (range: object) => {
    const other = fresh(t)
    await log.copyTo(other, range)
    return [...other.read()].map((message) => `${message.text()}${message.batchRemaining}`)
  }
  t.deepEqual(await left({ from: 2 }), ['b2', 'c1', 'd0'])
  t.deepEqual(await left({ to: 3 }), ['x0', 'a1', 'b0'])
  t.deepEqual(await left({ from: 2, to: 3 }), ['b0'])
  t.deepEqual(await left({ to: time }), ['x0'])
  t.deepEqual(await left({ from: time }), ['a3', 'b2', 'c1', 'd0'])
  t.deepEqual(await left({ durableOnly: true }), [])
  await log.sync()
  t.is((await left({ durableOnly: true })).length, 5)
})

test('progress is told to its end, and other work gets its turn', async (t) => {
  const log = filled(t, 5000)
  const other = fresh(t)
  const seen: CopyProgress[] = []
  let turns = 0
  const turn = setInterval(() => turns++, 1)
  const { messages, bytes } = await log.copyTo(other, { onProgress: (progress) => seen.push(progress) })
  clearInterval(turn)
  t.true(seen.length > 1 && turns > 0)
  t.deepEqual(seen.at(-1), { messages, bytes, nextSeq: log.nextSeq, endSeq: log.nextSeq })
  t.deepEqual(
    seen,
    seen.toSorted((a, b) => a.messages - b.messages),
  )

  const failing = log.copyTo(fresh(t), {
    onProgress() {
      throw new Error('of the callback')
    },
  })
  await t.throwsAsync(failing, { message: 'of the callback' })
})

test('a signal ends it, and what was copied stays', async (t) => {
  const log = filled(t, 5000)
  const reason = new Error('enough')
  const none = fresh(t)
  await rejects(t, log.copyTo(none, { signal: AbortSignal.abort(reason) }), 'ERR_CHRONICLE_ABORTED')
  t.is(none.nextSeq, 0)
  const controller = new AbortController()
  const other = fresh(t)
  const onProgress = () => controller.abort(reason)
  const error = await rejects(
    t,
    log.copyTo(other, { signal: controller.signal, onProgress }),
    'ERR_CHRONICLE_ABORTED',
  )
  t.like(error, { name: 'AbortError', cause: reason })
  t.true(other.nextSeq > 0 && other.nextSeq < log.nextSeq)
  t.deepEqual(kept(other), kept(log, 0, other.nextSeq))
})

test('what it cannot read or write is thrown', async (t) => {
  const log = filled(t)
  const other = fresh(t)
  const code = 'ERR_CHRONICLE_INVALID_ARGUMENT'
  await rejects(t, log.copyTo(log), code)
  await rejects(t, log.copyTo({ path: '/', append() {} } as never), code)
  await rejects(t, log.copyTo(other, { reverse: true } as never), code)
  await rejects(t, log.copyTo(other, { to: -1 }), code)
  const holder = fresh(t)
  holder.acquire()
  const second = Chronicle.open(holder.path)
  t.teardown(() => second.close())
  await rejects(t, log.copyTo(second), 'ERR_CHRONICLE_LOCKED')
  const reading = Chronicle.open(holder.path, { readOnly: true })
  t.teardown(() => reading.close())
  await rejects(t, log.copyTo(reading), 'ERR_CHRONICLE_READ_ONLY')

  log.prune({ keepMessages: 10 })
  await rejects(t, log.copyTo(other, { from: 0 }), 'ERR_CHRONICLE_GAP')
  t.is(other.nextSeq, 0)
  flip(segment(log.path, log.firstSeq), 4096 + 8)
  await rejects(t, log.copyTo(other), 'ERR_CHRONICLE_CORRUPT')
  other.close()
  await rejects(t, log.copyTo(other), 'ERR_CHRONICLE_CLOSED')
  log.close()
  await rejects(t, log.copyTo(holder), 'ERR_CHRONICLE_CLOSED')
  refuses(t, () => log.health(), 'ERR_CHRONICLE_CLOSED')
})

test('a log is not copied to itself, by whatever path', async (t) => {
  const path = nowhere(t)
  Chronicle.open(path).close()
  const link = nowhere(t)
  symlinkSync(path, link, 'junction')
  using log = Chronicle.open(path, { readOnly: true })
  using other = Chronicle.open(link)
  other.append('once')
  await rejects(t, log.copyTo(other), 'ERR_CHRONICLE_INVALID_ARGUMENT')
  t.is(other.nextSeq, 1)
})

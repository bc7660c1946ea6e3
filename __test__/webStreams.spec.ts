import { setTimeout as pause } from 'node:timers/promises'

import test from 'ava'

import { Chronicle, json } from '../index.ts'
import { countedSignal } from './helpers/listeners.ts'
import { numbers } from './helpers/numbers.ts'
import { refuses, refusesArgument, rejects } from './helpers/refusal.ts'
import { fresh, nowhere, opened } from './helpers/temporary.ts'

test('a stream of the web gives messages, or values, to the head of the log', async (t) => {
  const log = numbers(t, 3000)
  let next = 0
  for await (const message of log.readableStream()) {
    t.is(message.seq, next)
    t.is(message.value, next++)
  }
  t.is(next, 3000)
  const values: number[] = []
  for await (const value of log.readableStream({ values: true, from: -2 })) values.push(value)
  t.deepEqual(values, [2998, 2999])
})

test('it reads no further ahead than its high-water mark', async (t) => {
  const log = numbers(t, 100)
  let decoded = 0
  const codec = { encode: String, decode: () => ++decoded }
  const counting = Chronicle.open(log.path, { readOnly: true, codec })
  t.teardown(() => counting.close())
  const reader = counting.readableStream({ values: true, highWaterMark: 5 }).getReader()
  await pause(5)
  t.is(decoded, 5)
  await reader.read()
  await pause(5)
  t.is(decoded, 6)
  await reader.cancel()
})

test('one that follows waits at the head; cancelling it ends its tail', async (t) => {
  const log = numbers(t)
  const stream = log.readableStream({ follow: true, name: 'x', keepAlive: true })
  refuses(t, () => log.readableStream({ follow: true, name: 'x' }), 'ERR_CHRONICLE_LOCKED')
  const reader = stream.getReader()
  const waiting = reader.read()
  await pause(5)
  log.append(7)
  t.is((await waiting).value?.value, 7)
  await reader.cancel()
  log.tail({ name: 'x' }).close()
})

test('errors of reading and an aborted signal end it with that error', async (t) => {
  const dir = nowhere(t)
  const plain = opened(t, dir)
  plain.appendBatch(['1', 'x'])
  plain.close()
  const log = Chronicle.open(dir, { codec: json(), readOnly: true })
  t.teardown(() => log.close())
  const reader = log.readableStream({ values: true, highWaterMark: 1 }).getReader()
  t.is((await reader.read()).value, 1)
  t.is((await rejects(t, reader.read(), 'ERR_CHRONICLE_INVALID_VALUE')).seq, 1)

  for (const follow of [true, false] as const) {
    const abort = new AbortController()
    const { signal } = abort
    const ended = log
      .readableStream(follow ? { follow, signal, keepAlive: true } : { signal, highWaterMark: 1 })
      .getReader()
    await pause(2)
    abort.abort('enough')
    const error = await rejects(t, ended.closed, 'ERR_CHRONICLE_ABORTED')
    t.is(error.cause, 'enough')
    await rejects(t, ended.read(), 'ERR_CHRONICLE_ABORTED')
    const late = log.readableStream({ signal }).getReader()
    await rejects(t, late.read(), 'ERR_CHRONICLE_ABORTED')
  }
})

test('a stream of the web appends its chunks in order, and says when they are durable', async (t) => {
  const log = numbers(t)
  const chunks = new ReadableStream<number>({
    start(controller) {
      for (let number = 0; number < 500; number++) controller.enqueue(number)
      controller.close()
    },
  })
  await chunks.pipeTo(log.writableStream({ type: 2 }))
  t.is(log.nextSeq, 500)
  let next = 0
  for (const { value, type } of log.read()) t.true(type === 2 && value === next++)

  const quiet = fresh(t, { sync: 'none' })
  const writer = quiet.writableStream({ durable: true }).getWriter()
  await writer.write('a')
  t.is(quiet.durableSeq, 1)
  await writer.close()
})

test('it tells the writer to wait, and what is refused ends it', async (t) => {
  const log = numbers(t)
  const writer = log.writableStream({ highWaterMark: 2 }).getWriter()
  t.is(writer.desiredSize, 2)
  const writes = [writer.write(1), writer.write(2)]
  t.is(writer.desiredSize, 0)
  await Promise.all(writes)
  await rejects(t, writer.write(1n as never), 'ERR_CHRONICLE_INVALID_VALUE')
  await rejects(t, writer.closed, 'ERR_CHRONICLE_INVALID_VALUE')
  t.is(log.nextSeq, 2)

  const abort = new AbortController()
  const aborting = log.writableStream({ signal: abort.signal }).getWriter()
  abort.abort()
  await rejects(t, aborting.closed, 'ERR_CHRONICLE_ABORTED')
  const late = log.writableStream({ signal: abort.signal }).getWriter()
  await rejects(t, late.write(1), 'ERR_CHRONICLE_ABORTED')
})

test('streams that have ended leave nothing on their signal', async (t) => {
  const log = numbers(t, 3)
  const { signal, listeners } = countedSignal()
  await log.readableStream({ values: true, signal, to: 3 }).pipeTo(log.writableStream({ signal }))
  const cancelled = log.readableStream({ follow: true, signal })
  t.is(listeners(), 1)
  await cancelled.cancel()
  const failed = log.writableStream({ signal }).getWriter()
  await rejects(t, failed.write(1n as never), 'ERR_CHRONICLE_INVALID_VALUE')
  await t.throwsAsync(failed.closed)
  await log.writableStream({ signal }).abort()
  t.is(listeners(), 0)
})

test('options are checked by name', (t) => {
  const log = fresh(t)
  refusesArgument(
    t,
    () => log.readableStream({ limits: 1 } as object),
    /^readableStream has no option "limits"/,
  )
  refusesArgument(t, () => log.writableStream({ sync: 1 } as object), /^writableStream has no option "sync"/)
})

import { Readable, Transform, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setImmediate as turn, setTimeout as pause } from 'node:timers/promises'

import test from 'ava'

import { Chronicle, json, LogReadable, LogWritable, utf8, type Message } from '../index.ts'
import { countedSignal } from './helpers/listeners.ts'
import { numbers } from './helpers/numbers.ts'
import { refuses, refusesArgument, rejects } from './helpers/refusal.ts'
import { fresh, nowhere, opened } from './helpers/temporary.ts'

function valuesOf<T>(log: Chronicle<T>): T[] {
  return Array.from(log.read(), ({ value }) => value)
}

test('a readable gives messages, or values, to the head of the log', async (t) => {
  const log = numbers(t, 3000)
  const stream = log.readable()
  t.true(stream instanceof LogReadable && stream instanceof Readable)
  let next = 0
  for await (const message of stream) {
    t.is(message.seq, next)
    t.is(message.value, next++)
  }
  t.is(next, 3000)
  t.true(stream.destroyed)
  t.deepEqual(await log.readable({ values: true, from: 2, to: 5 }).toArray(), [2, 3, 4])
  const last = await log.readable({ reverse: true, limit: 2, values: true }).toArray()
  t.deepEqual(last, [2999, 2998])
  t.deepEqual(await numbers(t).readable().toArray(), [])
})

test('values of a plain log are bytes that any stream takes', async (t) => {
  const log = fresh(t)
  log.appendBatch(['a', 'b', 'c'])
  let text = ''
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      text += chunk.toString()
      done()
    },
  })
  await pipeline(log.readable({ values: true }), sink)
  t.is(text, 'abc')
})

test('a readable is read ahead of by no more than its high-water mark', async (t) => {
  const log = numbers(t, 1000)
  let decoded = 0
  const counting = Chronicle.open(log.path, {
    readOnly: true,
    codec: { encode: String, decode: () => ++decoded },
  })
  t.teardown(() => counting.close())
  const stream = counting.readable({ values: true, highWaterMark: 10 })
  stream.read(0)
  await turn()
  t.is(decoded, 10)
  stream.read()
  await turn()
  t.true(decoded <= 11, `${decoded}`)
  stream.destroy()
})

test('a readable that follows waits at the head, and ends its tail when it is destroyed', async (t) => {
  const log = numbers(t, 2)
  const seen: number[] = []
  const stream = log.readable({ follow: true, from: 'start', values: true, keepAlive: true })
  for await (const value of stream) {
    seen.push(value)
    if (value === 1) setTimeout(() => log.append(2), 5)
    if (value === 2) break
  }
  t.deepEqual(seen, [0, 1, 2])
  t.true(stream.destroyed)

  // A tail that is not ended would hold the name.
  const named = log.readable({ follow: true, name: 'x', keepAlive: true })
  refuses(t, () => log.readable({ follow: true, name: 'x' }), 'ERR_CHRONICLE_LOCKED')
  const waiting = named[Symbol.asyncIterator]()
  const first = await waiting.next()
  ;(first.value as Message).commit()
  named.destroy()
  await pause(5)
  t.is(log.readers()[0]?.nextSeq, 1)
  log.tail({ name: 'x' }).close()
})

test('a readable that follows misses nothing from the moment it is made', async (t) => {
  const log = numbers(t, 1)
  const stream = log.readable({ follow: true, values: true, keepAlive: true })
  log.append(1)
  await pause(5)
  log.append(2)
  const seen = []
  for await (const value of stream) if (seen.push(value) === 2) break
  t.deepEqual(seen, [1, 2])
})

test('a payload that a stream has handed out stays as it is', async (t) => {
  const log = fresh(t)
  for (let byte = 0; byte < 200; byte++) log.append(new Uint8Array(4096).fill(byte))
  const payloads = await log.readable({ values: true }).toArray()
  t.true(payloads.every((payload: Uint8Array, byte) => payload.every((each) => each === byte)))
})

test('reading errors destroy the stream and come out of the pipeline', async (t) => {
  const dir = nowhere(t)
  const plain = opened(t, dir)
  plain.appendBatch(['1', 'x'])
  plain.close()
  const log = Chronicle.open(dir, { codec: json(), readOnly: true })
  t.teardown(() => log.close())
  const sink = new Writable({ objectMode: true, write: (_chunk, _encoding, done) => done() })
  const error = await rejects(
    t,
    pipeline(log.readable({ values: true }), sink),
    'ERR_CHRONICLE_INVALID_VALUE',
  )
  t.is(error.seq, 1)
  t.true(sink.destroyed)

  const follower = log.readable({ follow: true, keepAlive: true })
  const following = pipeline(follower, new Writable({ objectMode: true }))
  await pause(5)
  log.close()
  await rejects(t, following, 'ERR_CHRONICLE_CLOSED')
  refuses(t, () => log.readable(), 'ERR_CHRONICLE_CLOSED')
})

test('a value that is null is an error and not the end', async (t) => {
  const log = Chronicle.open<number | null>(nowhere(t), { codec: json<number | null>() })
  t.teardown(() => log.close())
  log.appendBatch([1, null, 3])
  const seen: unknown[] = []
  const reading = (async () => {
    for await (const value of log.readable({ values: true })) seen.push(value)
  })()
  await rejects(t, reading, 'ERR_CHRONICLE_INVALID_VALUE')
  t.deepEqual(
    (await log.readable().toArray()).map((message: Message<number | null>) => message.value),
    [1, null, 3],
  )
  const web: unknown[] = []
  for await (const value of log.readableStream({ values: true })) web.push(value)
  t.deepEqual(web, [1, null, 3])
})

test('an error further down the pipeline ends reading', async (t) => {
  const log = numbers(t, 100)
  const source = log.readable({ follow: true, name: 'x', keepAlive: true })
  const sink = new Writable({ objectMode: true, write: (_chunk, _encoding, done) => done(new Error('full')) })
  await t.throwsAsync(pipeline(source, sink), { message: 'full' })
  t.true(source.destroyed)
  log.tail({ name: 'x' }).close()
})

test('an aborted signal destroys streams of both directions', async (t) => {
  const log = numbers(t, 1)
  const makers = [
    (signal: AbortSignal) => log.readable({ signal }),
    (signal: AbortSignal) => log.readable({ follow: true, keepAlive: true, signal }),
    (signal: AbortSignal) => log.writable({ signal }),
  ]
  for (const make of makers) {
    const abort = new AbortController()
    const reason = new Error('enough')
    const failed = new Promise((resolve) => make(abort.signal).once('error', resolve))
    abort.abort(reason)
    const error = await rejects(
      t,
      failed.then((error) => Promise.reject(error)),
      'ERR_CHRONICLE_ABORTED',
    )
    t.is(error.name, 'AbortError')
    t.is(error.cause, reason)
    const late = new Promise((resolve) => make(AbortSignal.abort()).once('error', resolve))
    await rejects(
      t,
      late.then((error) => Promise.reject(error)),
      'ERR_CHRONICLE_ABORTED',
    )
  }
})

test('a stream that has ended leaves nothing on its signal', async (t) => {
  const log = numbers(t, 3)
  const { signal, listeners } = countedSignal()
  await pipeline(log.readable({ values: true, signal, to: 3 }), log.writable({ signal }))
  await turn()
  t.is(listeners(), 0)
  t.is(log.nextSeq, 6)
})

test('a long log leaves the event loop its turns', async (t) => {
  const log = numbers(t, 100_000)
  let turns = 0
  const timer = setInterval(() => turns++, 0)
  let read = 0
  await new Promise((resolve, reject) => {
    log
      .readable()
      .on('data', () => read++)
      .once('end', resolve)
      .once('error', reject)
  })
  clearInterval(timer)
  t.is(read, 100_000)
  t.true(turns > 0)
})

test('a writable appends its chunks in order, those that are held as one batch', async (t) => {
  const log = numbers(t)
  const stream = log.writable({ type: 3 })
  t.true(stream instanceof LogWritable && stream instanceof Writable)
  for (let number = 0; number < 10; number++) t.true(stream.write(number))
  t.is(log.nextSeq, 1)
  await new Promise<void>((resolve) => stream.end(10, resolve))
  t.deepEqual(valuesOf(log), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  const messages = [...log.read()]
  t.true(messages.every(({ type }) => type === 3))
  t.deepEqual(
    messages.map(({ batchRemaining }) => batchRemaining),
    [0, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0],
  )
})

test('a writable tells the writer to wait when it holds enough', async (t) => {
  const log = numbers(t)
  const stream = log.writable({ highWaterMark: 4 })
  t.deepEqual(
    [0, 1, 2, 3].map((number) => stream.write(number)),
    [true, true, true, false],
  )
  await new Promise((resolve) => stream.once('drain', resolve))
  t.is(log.nextSeq, 4)
  stream.destroy()
})

test('the callback of a write comes when it is visible, with durable when it is durable', async (t) => {
  const log = numbers(t)
  const visible = log.writable()
  await new Promise<void>((resolve) => {
    visible.write(1, () => {
      t.is(log.nextSeq, 1)
      resolve()
    })
  })
  visible.destroy()

  const quiet = fresh(t, { sync: 'none' })
  const stream = quiet.writable({ durable: true })
  const durable: boolean[] = []
  for (let seq = 0; seq < 5; seq++) {
    stream.write(`${seq}`, () => durable.push(quiet.durableSeq > seq))
  }
  await new Promise<void>((resolve) => stream.end(resolve))
  t.is(quiet.durableSeq, 5)
  t.deepEqual(durable, [true, true, true, true, true])
})

test('a pipeline carries a log into another, through what lies between', async (t) => {
  const from = numbers(t, 5000)
  const to = Chronicle.open<string>(nowhere(t), { codec: utf8() })
  t.teardown(() => to.close())
  const transform = new Transform({
    objectMode: true,
    transform: (value: number, _encoding, done) => done(null, `n${value}`),
  })
  await pipeline(from.readable({ values: true }), transform, to.writable({ highWaterMark: 100 }))
  t.is(to.nextSeq, 5000)
  let next = 0
  for (const { value } of to.read()) if (value !== `n${next++}`) t.fail(value)
  t.is(next, 5000)
})

test('a chunk that is refused fails the pipeline; what is in the log is the front of the chunks', async (t) => {
  const log = numbers(t)
  const source = Readable.from([1, 2, 3, 1n, 5])
  const writing = pipeline(source, log.writable())
  await rejects(t, writing, 'ERR_CHRONICLE_INVALID_VALUE')
  t.true(source.destroyed)
  t.deepEqual(valuesOf(log), [1, 2, 3].slice(0, log.nextSeq))
  log.append(9)
  t.is(valuesOf(log).at(-1), 9)

  const readOnly = opened(t, log.path, { readOnly: true })
  await rejects(t, pipeline(Readable.from(['x']), readOnly.writable()), 'ERR_CHRONICLE_READ_ONLY')
  log.close()
  const late = log.writable()
  const failed = new Promise((resolve) => late.once('error', resolve))
  late.write(1)
  await rejects(
    t,
    failed.then((error) => Promise.reject(error)),
    'ERR_CHRONICLE_CLOSED',
  )
})

test('chunks that are too large for one batch are appended one after the other', async (t) => {
  const log = numbers(t)
  const refusing = new Proxy(log, {
    get(target, key) {
      if (key !== 'appendBatch') {
        const value: unknown = Reflect.get(target, key)
        return typeof value === 'function' ? value.bind(target) : value
      }
      return (items: number[]) => {
        if (items.length > 2) refuse()
        return target.appendBatch(items)
      }
    },
  })
  const refuse = () => fresh(t).appendBatch([new Uint8Array(2 ** 30 + 1)])
  const stream = new LogWritable<number>(refusing)
  for (let number = 0; number < 9; number++) stream.write(number)
  await new Promise<void>((resolve) => stream.end(resolve))
  t.deepEqual(valuesOf(log), [0, 1, 2, 3, 4, 5, 6, 7, 8])
  await rejects(
    t,
    new Promise((_, reject) => {
      const alone = fresh(t).writable()
      alone.once('error', reject)
      alone.write(new Uint8Array(2 ** 30 + 1))
    }),
    'ERR_CHRONICLE_TOO_LARGE',
  )
})

test('typed views have streams too', async (t) => {
  const log = fresh(t)
  const events = log.types({ text: [1, utf8()], number: [2, json<number>()] })
  const sink = events.writable()
  sink.write({ name: 'text', value: 'a' })
  sink.write({ name: 'number', value: 4 })
  await new Promise<void>((resolve) => sink.end(resolve))
  const seen: unknown[] = []
  for await (const event of events.readable()) {
    if (event.name === 'text') seen.push(event.value.toUpperCase())
    else seen.push(event.value + 1)
  }
  t.deepEqual(seen, ['A', 5])
  t.deepEqual(await events.readable({ values: true }).toArray(), ['a', 4])
  const typed = new Promise((_, reject) => {
    const stream = events.writable({ type: 1 })
    stream.once('error', reject)
    stream.write({ name: 'text', value: 'a' })
  })
  await rejects(t, typed, 'ERR_CHRONICLE_INVALID_ARGUMENT')
})

test('options of streams are checked', (t) => {
  const log = fresh(t)
  const readable = log.readable.bind(log) as (options: unknown) => unknown
  const writable = log.writable.bind(log) as (options: unknown) => unknown
  for (const options of [
    1,
    null,
    [],
    { follow: 1 },
    { values: 'yes' },
    { highWaterMark: 0 },
    { signal: {} },
  ]) {
    refusesArgument(t, () => readable(options), /./)
  }
  refusesArgument(t, () => readable({ follow: true, limit: 1 }), /^readable has no option "limit"/)
  refusesArgument(t, () => readable({ name: 'x' }), /^readable has no option "name"/)
  refusesArgument(t, () => readable({ follow: true, name: 'x', values: true }), /cannot be committed/)
  for (const options of [
    1,
    null,
    { durable: 1 },
    { type: -1 },
    { highWaterMark: 2 ** 20 + 1 },
    { signal: 1 },
  ]) {
    refusesArgument(t, () => writable(options), /./)
  }
  refusesArgument(t, () => writable({ sync: true }), /^writable has no option "sync"/)
})

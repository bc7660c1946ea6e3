import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { MessageChannel } from 'node:worker_threads'

import test, { type ExecutionContext } from 'ava'

import type { Chronicle, Message, ReadOptions } from '../index.ts'
import { bases, flip, segment } from './helpers/files.ts'
import { refuses } from './helpers/refusal.ts'
import { fresh } from './helpers/temporary.ts'

const SIZES = [0, 1, 7, 64, 1000, 20_000, 70_000, 300_000]

function payload(seq: number): Uint8Array {
  return new Uint8Array(SIZES[seq % SIZES.length]!).fill(seq % 251)
}

function filled(t: ExecutionContext, count = 200): Chronicle {
  const log = fresh(t, { segmentBytes: 1 << 20, sync: 'none' })
  for (let seq = 0; seq < count; seq++) log.append(payload(seq), { type: seq % 5 })
  return log
}

function contents(messages: Iterable<Message>): unknown[] {
  return [...messages].map((m) => [m.seq, m.type, m.timestampNs, Buffer.from(m.payload).toString('latin1')])
}

test('views hold what copies hold, over segments, forward and backward, and within bounds', (t) => {
  const log = filled(t)
  t.true(bases(log.path).length > 5)
  const ranges: ReadOptions[] = [
    {},
    { reverse: true },
    { from: 17, to: 31 },
    { from: 17, to: 31, reverse: true },
    { from: -9, limit: 3 },
    { limit: 5, reverse: true },
    { durableOnly: true },
  ]
  for (const range of ranges) {
    const copied = contents(log.read(range))
    t.deepEqual(contents(log.read({ ...range, payload: 'view' })), copied, JSON.stringify(range))
  }
  const cursor = log.cursor({ payload: 'view' })
  let seq = 0
  while (cursor.next()) {
    t.deepEqual(Buffer.compare(cursor.payload, payload(seq)), 0)
    t.is(cursor.text(), Buffer.from(payload(seq)).toString())
    seq++
  }
  t.is(seq, 200)
})

test('the engine counts all of what is viewed, as it takes all of it off when it collects that', (t) => {
  const log = fresh(t, { sync: 'none' })
  const large = new Uint8Array(1_000_000)
  for (let seq = 0; seq < 40; seq++) log.append(large)
  const held = new Set([...log.read({ payload: 'view' })].map((message) => message.payload.buffer))
  const bytes = [...held].reduce((sum, buffer) => sum + buffer.byteLength, 0)
  t.true(bytes > 40_000_000)
  t.true(process.memoryUsage().external >= bytes)
})

test('nothing is copied: payloads lie in the file, so many in one buffer', (t) => {
  const log = filled(t)
  const views = [...log.read({ payload: 'view' })]
  const buffers = new Set(views.map((message) => message.payload.buffer))
  t.true(buffers.size <= 2 * bases(log.path).length)
  t.true([...buffers].every((buffer) => buffer.byteLength > 64_000))
})

test('a tail hands views of what comes out too', async (t) => {
  const log = filled(t, 3)
  const tail = log.tail({ from: 0, payload: 'view', keepAlive: true })
  let seq = 0
  for await (const message of tail) {
    t.is(Buffer.compare(message.payload, payload(seq)), 0)
    seq++
    if (seq === 40) break
    if (seq > 2) log.append(payload(seq))
  }
})

test('views outlive the chronicle, its files, and collections of garbage', async (t) => {
  const log = filled(t)
  const held = [...log.read({ payload: 'view', limit: 100 })].map((message) => message.payload)
  log.close()
  rmSync(log.path, { recursive: true })
  for (let round = 0; round < 5; round++) {
    globalThis.gc?.()
    await new Promise((resolve) => setImmediate(resolve))
  }
  t.true(held.every((bytes, seq) => Buffer.compare(bytes, payload(seq)) === 0))
})

test('what a program stores to a view stays in the process, and nothing that is read later changes', (t) => {
  const log = filled(t, 40)
  for (const message of log.read({ payload: 'view' })) new Uint8Array(message.payload.buffer).fill(0xee)
  const cursor = log.cursor({ payload: 'view' })
  while (cursor.next()) cursor.payload.fill(0xaa)
  for (let seq = 40; seq < 80; seq++) log.append(payload(seq))
  for (const how of ['view', 'copy'] as const) {
    const read = [...log.read({ payload: how })].map((message) =>
      Buffer.compare(message.payload, payload(message.seq)),
    )
    t.deepEqual(read, Array<number>(80).fill(0), how)
  }
})

test('one cursor goes on right although the program stores to all that it gets', (t) => {
  const log = fresh(t, { segmentBytes: 1 << 20, sync: 'none' })
  const cursor = log.cursor({ payload: 'view' })
  for (let seq = 0; seq < 300; seq++) {
    log.append(payload(seq))
    t.true(cursor.next())
    t.is(Buffer.compare(cursor.payload, payload(seq)), 0)
    new Uint8Array(cursor.payload.buffer).fill(seq)
  }
})

test('a buffer that cannot be sent away leaves its reader as it was', async (t) => {
  const log = filled(t, 40)
  const cursor = log.cursor({ payload: 'view' })
  t.true(cursor.next() && cursor.next())
  const { port1, port2 } = new MessageChannel()
  const buffer = cursor.payload.buffer as ArrayBuffer
  const arrival = once(port2, 'message')
  try {
    port1.postMessage(1, [buffer])
  } catch {
    port1.postMessage(1)
  }
  await arrival
  port1.close()
  try {
    structuredClone(buffer, { transfer: [buffer] })
  } catch (error) {
    t.is((error as Error).name, 'DataCloneError')
  }
  for (let seq = 2; seq < 40; seq++) t.true(cursor.next())
  t.is(Buffer.compare(cursor.payload, payload(39)), 0)
})

test('a damaged payload is refused where it lies, and what comes before it is handed out', (t) => {
  const log = fresh(t, { segmentBytes: 1 << 20, sync: 'none' })
  for (let seq = 0; seq < 9; seq++) log.append(new Uint8Array(10_000).fill(seq))
  flip(segment(log.path), 4096 + 5 * 10_112 + 64 + 5000)
  for (const reverse of [false, true]) {
    const read: number[] = []
    const error = refuses(
      t,
      () => {
        for (const message of log.read({ payload: 'view', reverse })) read.push(message.seq)
      },
      'ERR_CHRONICLE_CORRUPT',
    )
    t.is(error.seq, 5)
    t.deepEqual(read, reverse ? [8, 7, 6] : [0, 1, 2, 3, 4])
  }
})

test('where payloads lie is told by two words', (t) => {
  const log = fresh(t)
  for (const value of ['views', 1, null, {}]) {
    const options = { payload: value as 'view' }
    refuses(t, () => log.read(options), 'ERR_CHRONICLE_INVALID_ARGUMENT')
    refuses(t, () => log.cursor(options), 'ERR_CHRONICLE_INVALID_ARGUMENT')
    refuses(t, () => log.tail(options), 'ERR_CHRONICLE_INVALID_ARGUMENT')
  }
})

import test from 'ava'

import type { Payload } from '../index.ts'
import { bases } from './helpers/files.ts'
import { refuses, refusesArgument } from './helpers/refusal.ts'
import { fresh, opened } from './helpers/temporary.ts'

/** What a payload must be read as. */
function bytesOf(payload: Payload): Uint8Array {
  return typeof payload === 'string' ? new TextEncoder().encode(payload) : new Uint8Array(payload)
}

const texts = [
  '',
  'hello',
  'é',
  'Grüße, 世界 🌍',
  '\u{FEFF}with a mark',
  'nul \0 inside',
  'lone \uD800 high',
  'lone \uDC00 low',
  'ends with \uD83D',
  '\uDC00\uD800',
]
/** Lengths around every boundary of the ways a string goes: the short buffer, the long one, the stage, a segment. */
const lengths = [
  0, 1, 2, 63, 64, 65, 127, 255, 256, 509, 510, 511, 512, 513, 1023, 4096, 16_383, 16_384, 16_385, 65_536,
  70_000,
]

test('every text comes back as TextEncoder makes it', (t) => {
  const log = fresh(t)
  const all = [...texts]
  for (const length of lengths) {
    all.push('a'.repeat(length), 'é'.repeat(length), '世'.repeat(length), '🌍'.repeat(length))
    all.push(`${'a'.repeat(length)}\uD800`, `${'a'.repeat(length)}é`)
    // A string that V8 has put together from two and not flattened.
    all.push(`${'x'.repeat(length)}${String(length)}${'y'.repeat(length)}`)
  }
  const seqs = all.map((text) => log.append(text))
  t.deepEqual(seqs, [...all.keys()])
  for (const message of log.read()) {
    const text = all[message.seq]!
    t.true(Buffer.compare(message.payload, bytesOf(text)) === 0, `${text.length} characters`)
    t.is(message.text(), Buffer.from(text).toString())
  }
})

test('bytes of every length and kind of array come back', (t) => {
  const log = fresh(t)
  const random = (length: number) => Uint8Array.from({ length }, (_, index) => (index * 31 + length) & 255)
  const all: Uint8Array[] = []
  for (const length of lengths) {
    const bytes = random(length)
    const shared = new Uint8Array(new SharedArrayBuffer(length + 3), 3)
    shared.set(bytes)
    const resizable = new Uint8Array(
      new (ArrayBuffer as unknown as new (n: number, o: object) => ArrayBuffer)(length, {
        maxByteLength: length + 8,
      }),
    )
    resizable.set(bytes)
    const inside = new Uint8Array(length + 9).subarray(5, 5 + length)
    inside.set(bytes)
    all.push(bytes, Buffer.from(bytes), shared, Buffer.from(shared.buffer, 3, length), resizable, inside)
  }
  for (const bytes of all) log.append(bytes)
  for (const message of log.read())
    t.true(Buffer.compare(message.payload, all[message.seq]!) === 0, `seq ${message.seq}`)
  t.is(log.nextSeq, all.length)
})

test('a payload larger than a segment gets a segment of its own', (t) => {
  const log = fresh(t, { segmentBytes: 65_536 })
  log.append('before')
  const large = Buffer.alloc(3 << 20, 'chronicle')
  log.append(large, { type: 9 })
  log.append('x'.repeat(1 << 20))
  log.append('after')
  const read = [...log.read()]
  t.deepEqual(
    read.map((message) => message.length),
    [6, 3 << 20, 1 << 20, 5],
  )
  t.true(large.equals(read[1]!.payload))
  t.is(read[1]!.type, 9)
  t.is(read[3]!.text(), 'after')
  t.true(bases(log.path).length >= 3)
})

test('the first message may be larger than the first segment', (t) => {
  const log = fresh(t, { segmentBytes: 65_536 })
  t.is(log.append(Buffer.alloc(2 << 20, 'x')), 0)
  t.is(log.append('after'), 1)
  t.deepEqual(
    [...log.read()].map((message) => message.length),
    [2 << 20, 5],
  )
})

test('changing an array after append does not change the message', (t) => {
  const log = fresh(t)
  for (const length of [8, 20_000]) {
    const bytes = new Uint8Array(length).fill(1)
    log.append(bytes)
    bytes.fill(2)
    log.appendBatch([bytes])
    bytes.fill(3)
  }
  t.deepEqual(
    [...log.read()].map((message) => message.payload[7]),
    [1, 2, 1, 2],
  )
})

test('a detached array is refused', (t) => {
  const log = fresh(t)
  for (const length of [8, 100_000]) {
    const bytes = new Uint8Array(length)
    structuredClone(bytes.buffer, { transfer: [bytes.buffer] })
    refusesArgument(t, () => log.append(bytes), /detached/)
    refusesArgument(t, () => log.appendBatch(['good', bytes]), /detached/)
  }
  t.is(log.nextSeq, 0)
})

test('an array that lies about its length or its memory is appended as it is', (t) => {
  const log = fresh(t)
  // What the stage and the batch buffer held before must not come back.
  log.append('s'.repeat(1000))
  log.appendBatch(['s'.repeat(1000), 'end'])
  for (const lie of [0, 1, 100, 100_000, -1, NaN]) {
    class Liar extends Uint8Array {
      override get length() {
        log.append('from within')
        return lie
      }
      override get buffer() {
        return new ArrayBuffer(0)
      }
    }
    const { first } = log.appendBatch([new Liar([5, 6]), 'next'])
    log.append(new Liar([1, 2, 3, 4]))
    log.append(new Liar(20_000).fill(7))
    const [a, b, c, d] = [...log.read({ from: first })].map(({ payload }) => Array.from(payload))
    t.deepEqual([a, b?.length, c], [[5, 6], 4, [1, 2, 3, 4]], `${lie}`)
    t.true(d?.length === 20_000 && d.every((byte) => byte === 7))
    t.is(log.nextSeq, first + 4)
  }
})

test('items that run code when they are read do no harm', (t) => {
  const log = fresh(t)
  const item = {
    get payload() {
      log.appendBatch(['inner a', 'inner b'])
      return 'outer'
    },
  }
  t.deepEqual(log.appendBatch(['first', item]), { first: 2, last: 3 })
  const texts = [...log.read()].map((message) => message.text())
  t.deepEqual(texts, ['inner a', 'inner b', 'first', 'outer'])
})

test('types from 0 to 65535 come back', (t) => {
  const log = fresh(t)
  for (const type of [0, 1, 255, 256, 32_768, 65_535]) {
    const seq = log.append('x', { type })
    t.is([...log.read({ from: seq })][0]!.type, type)
    const { first } = log.appendBatch([{ payload: 'x', type }])
    t.is([...log.read({ from: first })][0]!.type, type)
  }
  // An option of one call is not left for the next.
  const seq = log.append('plain')
  t.is([...log.read({ from: seq })][0]!.type, 0)
})

test('a batch mixes payloads and grows with them', (t) => {
  const log = fresh(t)
  const items = [
    'text',
    new Uint8Array([1, 2]),
    { payload: 'é'.repeat(40_000), type: 3 },
    { payload: Buffer.alloc(200_000, 7), type: undefined },
    '',
    new Uint8Array(0),
    '\uD800',
  ]
  log.append('before')
  t.deepEqual(log.appendBatch(items), { first: 1, last: 7 })
  const read = [...log.read({ from: 1 })]
  t.deepEqual(
    read.map((message) => message.length),
    [4, 2, 80_000, 200_000, 0, 0, 3],
  )
  t.deepEqual(
    read.map((message) => message.batchRemaining),
    [6, 5, 4, 3, 2, 1, 0],
  )
  t.deepEqual(
    read.map((message) => message.type),
    [0, 0, 3, 0, 0, 0, 0],
  )
  t.true(read.every((message) => message.timestampNs === read[0]!.timestampNs))
  t.is(read[6]!.text(), '\uFFFD')
  // The buffers are used again: nothing of the large batch is left in a small one.
  t.deepEqual(log.appendBatch(['a', 'b']), { first: 8, last: 9 })
  t.deepEqual(
    [...log.read({ from: 8 })].map((message) => message.text()),
    ['a', 'b'],
  )
})

test('a batch of many messages lies in one segment, and all of it or none of it is there', (t) => {
  const log = fresh(t)
  const items = Array.from({ length: 5000 }, (_, index) => `message ${index}`)
  t.deepEqual(log.appendBatch(items), { first: 0, last: 4999 })
  refusesArgument(t, () => log.appendBatch([...items, 5 as unknown as string]), /items\[5000\]/)
  refuses(t, () => log.appendBatch(['a', 'b'], { expectedSeq: 4999 }), 'ERR_CHRONICLE_CONFLICT')
  t.is(log.nextSeq, 5000)
  t.deepEqual(
    [...log.read()].map((message) => message.text()),
    items,
  )
})

test('expectedSeq appends only where it is right', (t) => {
  const log = fresh(t)
  t.is(log.append('a', { expectedSeq: 0 }), 0)
  const conflict = refuses(t, () => log.append('b', { expectedSeq: 0 }), 'ERR_CHRONICLE_CONFLICT')
  t.is(conflict.actual, 1)
  t.is(refuses(t, () => log.append('b', { expectedSeq: 2 ** 53 - 1 }), 'ERR_CHRONICLE_CONFLICT').actual, 1)
  t.is(log.append('b', { expectedSeq: 1, type: 4 }), 1)
  t.deepEqual(log.appendBatch(['c', 'd'], { expectedSeq: 2 }), { first: 2, last: 3 })
  // The expectation of one call is not left for the next.
  t.is(log.append('e'), 4)
})

test('payloads beyond 1 GiB are refused before anything is written', (t) => {
  const log = fresh(t)
  const large = new Uint8Array(2 ** 30 + 1)
  refuses(t, () => log.append(large), 'ERR_CHRONICLE_TOO_LARGE')
  refuses(t, () => log.appendBatch(['a', large]), 'ERR_CHRONICLE_TOO_LARGE')
  t.is(log.nextSeq, 0)
})

test('seqs go on over reopenings, and timestamps never fall', (t) => {
  const { path } = fresh(t)
  let last = 0n
  for (let round = 0; round < 5; round++) {
    const log = opened(t, path)
    t.is(log.nextSeq, round * 300)
    for (let count = 0; count < 300; count++) t.is(log.append(`round ${round}`), round * 300 + count)
    log.close()
  }
  const log = opened(t, path, { readOnly: true })
  let expected = 0
  for (const message of log.read()) {
    t.is(message.seq, expected++)
    t.true(message.timestampNs >= last)
    last = message.timestampNs
  }
  t.is(expected, 1500)
  t.is(opened(t, path).stats().epoch, 5)
})

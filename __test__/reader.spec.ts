import test from 'ava'

import type { Chronicle, Message, ReadOptions } from '../index.ts'
import { bases } from './helpers/files.ts'
import { refuses } from './helpers/refusal.ts'
import { fresh, opened } from './helpers/temporary.ts'

function filled(log: Chronicle, count: number): Chronicle {
  for (let seq = 0; seq < count; seq++)
    log.append(`message ${seq} ${'.'.repeat(seq % 400)}`, { type: seq % 7 })
  return log
}

function seqs(messages: Iterable<Message>): number[] {
  return [...messages].map((message) => message.seq)
}

function range(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from) }, (_, index) => from + index)
}

test('read yields everything in order, over many segments', (t) => {
  const log = filled(fresh(t), 3000)
  t.true(bases(log.path).length > 10)
  let seq = 0
  for (const message of log.read()) {
    t.is(message.seq, seq)
    t.is(message.text(), `message ${seq} ${'.'.repeat(seq % 400)}`)
    t.is(message.type, seq % 7)
    seq++
  }
  t.is(seq, 3000)
})

test('from, to and limit choose the part', (t) => {
  const count = 2500
  const log = filled(fresh(t), count)
  const parts: [ReadOptions, number[]][] = [
    [{}, range(0, count)],
    [{ from: 'start' }, range(0, count)],
    [{ from: 'end' }, []],
    [{ from: 0, to: 0 }, []],
    [{ from: 5, to: 9 }, range(5, 9)],
    [{ from: 9, to: 5 }, []],
    [{ from: count - 1 }, [count - 1]],
    [{ from: count }, []],
    [{ from: count + 1000 }, []],
    [{ from: -1 }, [count - 1]],
    [{ from: -10, to: count - 5 }, range(count - 10, count - 5)],
    [{ from: -(2 ** 53 - 1) }, range(0, count)],
    [{ from: -0, limit: 1 }, [0]],
    [{ limit: 0 }, []],
    [{ limit: 1 }, [0]],
    [{ from: 1000, limit: 1025 }, range(1000, 2025)],
    [{ from: 10, to: 1500, limit: 2000 }, range(10, 1500)],
    [{ to: 2 ** 53 - 1, limit: 2 ** 53 - 1 }, range(0, count)],
  ]
  for (const [options, expected] of parts) {
    t.deepEqual(seqs(log.read(options)), expected, JSON.stringify(options))
    const cursor = log.cursor(options)
    const walked: number[] = []
    while (cursor.next()) walked.push(cursor.seq)
    t.deepEqual(walked, expected, `cursor ${JSON.stringify(options)}`)
  }
})

test('times choose the first message that is not older', async (t) => {
  const log = fresh(t)
  const stamps: bigint[] = []
  for (let round = 0; round < 20; round++) {
    for (let count = 0; count < 60; count++) log.append('x'.repeat(100))
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  for (const message of log.read()) stamps.push(message.timestampNs)
  const first = (bound: bigint) => {
    const index = stamps.findIndex((stamp) => stamp >= bound)
    return index === -1 ? stamps.length : index
  }
  for (const index of [0, 1, 59, 60, 61, 500, 1199]) {
    const stamp = stamps[index]!
    for (const bound of [stamp - 1n, stamp, stamp + 1n]) {
      t.deepEqual(seqs(log.read({ from: bound })), range(first(bound), 1200), `from ${bound}`)
      t.deepEqual(seqs(log.read({ to: bound })), range(0, first(bound)), `to ${bound}`)
    }
    const ms = Number(stamp / 1_000_000n)
    t.is(seqs(log.read({ from: new Date(ms), limit: 1 }))[0], first(BigInt(ms) * 1_000_000n))
    t.is(seqs(log.read({ to: new Date(ms) })).length, first(BigInt(ms) * 1_000_000n))
  }
  t.deepEqual(seqs(log.read({ from: new Date(0) })), range(0, 1200))
  t.deepEqual(seqs(log.read({ from: new Date(-5) })), range(0, 1200))
  t.deepEqual(seqs(log.read({ from: new Date(8.64e15) })), [])
  t.deepEqual(seqs(log.read({ from: 0n })), range(0, 1200))
  t.deepEqual(seqs(log.read({ from: 2n ** 64n - 1n })), [])
})

test('timestamps are the clock, in ms and ns', (t) => {
  const log = fresh(t)
  const before = Date.now()
  log.append('x')
  const after = Date.now()
  const [message] = log.read()
  t.true(message!.timestamp >= before && message!.timestamp <= after)
  t.is(BigInt(message!.timestamp), message!.timestampNs / 1_000_000n)
})

test('a reader starts anew at each iteration, and reads what comes while it runs', (t) => {
  const log = filled(fresh(t), 10)
  const reader = log.read({ from: 5 })
  t.deepEqual(seqs(reader), range(5, 10))
  log.append('more')
  t.deepEqual(seqs(reader), range(5, 11))
  const seen: number[] = []
  for (const message of reader) {
    seen.push(message.seq)
    if (message.seq < 30) log.append('chasing')
  }
  t.deepEqual(seen, range(5, 36))
  const bounded = seqs(log.read({ from: 5, to: log.nextSeq }))
  t.is(bounded.at(-1), 35)
})

test('an iterator that is done stays done', (t) => {
  const log = filled(fresh(t), 3)
  const iterator = log.read()[Symbol.iterator]()
  t.is(iterator[Symbol.iterator](), iterator)
  t.is(iterator.next().value?.seq, 0)
  t.deepEqual(iterator.return(), { value: undefined, done: true })
  log.append('more')
  t.deepEqual(iterator.next(), { value: undefined, done: true })
  const whole = log.read()[Symbol.iterator]()
  for (let seq = 0; seq < 4; seq++) t.is(whole.next().value?.seq, seq)
  t.true(whole.next().done)
  log.append('more')
  t.true(whole.next().done)
})

test('messages and payloads stay as they are while others are read, and after close', (t) => {
  const log = filled(fresh(t), 3000)
  const messages = [...log.read()]
  const payloads = messages.map((message) => message.payload)
  const copies = payloads.map((payload) => payload.slice())
  filled(log, 3000)
  for (const message of log.read({ from: 3000 })) t.true(message.length > 0)
  log.close()
  for (const [seq, message] of messages.entries()) {
    t.is(message.seq, seq)
    t.true(Buffer.compare(payloads[seq]!, copies[seq]!) === 0)
    t.true(Buffer.compare(message.payload, copies[seq]!) === 0)
    t.is(message.text(), `message ${seq} ${'.'.repeat(seq % 400)}`)
  }
})

test('writing to a payload changes neither the log nor the payloads beside it', (t) => {
  const log = fresh(t)
  log.append('aaaa')
  log.append('bbbb')
  const [first, second] = log.read()
  first!.payload.fill(0)
  t.is(second!.text(), 'bbbb')
  t.deepEqual(
    [...log.read()].map((message) => message.text()),
    ['aaaa', 'bbbb'],
  )
})

test('a payload starts where a Float64Array may stand', (t) => {
  const log = fresh(t)
  const numbers = Float64Array.of(Math.PI, -1, 2 ** 60)
  for (let count = 1; count < 20; count++) {
    log.append(new Uint8Array(count))
    log.append(new Uint8Array(numbers.buffer))
  }
  for (const { seq, payload } of log.read()) {
    t.is(payload.byteOffset % 8, 0)
    if (seq % 2 === 1) t.deepEqual(new Float64Array(payload.buffer, payload.byteOffset, 3), numbers)
  }
})

test('payloads around the size of the slab are whole, and small ones follow them', (t) => {
  const log = fresh(t, { segmentBytes: 1 << 20 })
  const lengths = [65_535, 65_536, 65_537, 3, 200_000, 0, 70_000, 1, 65_528, 8, 9]
  for (const length of lengths) log.append(Buffer.alloc(length, length % 251))
  const read = [...log.read()]
  t.deepEqual(
    read.map((message) => message.length),
    lengths,
  )
  for (const [index, message] of read.entries()) {
    t.true(message.payload.every((byte) => byte === lengths[index]! % 251))
  }
})

test('closing the log ends an iteration at the next step', (t) => {
  const log = filled(fresh(t), 100)
  let seen = 0
  const error = refuses(
    t,
    () => {
      for (const message of log.read()) {
        seen++
        if (message.seq === 10) log.close()
      }
    },
    'ERR_CHRONICLE_CLOSED',
  )
  t.is(seen, 11)
  t.regex(error.message, /chronicle is closed/)
})

test('json parses, and what is no JSON is a SyntaxError', (t) => {
  const log = fresh(t)
  log.append(JSON.stringify({ id: 7, name: 'é' }))
  log.append('{')
  const [good, bad] = log.read()
  t.deepEqual(good!.json(), { id: 7, name: 'é' })
  t.throws(() => bad!.json(), { instanceOf: SyntaxError })
})

test('many readers at once keep their own places', (t) => {
  const log = filled(fresh(t), 200)
  const iterators = range(0, 200).map((from) => log.read({ from })[Symbol.iterator]())
  for (let step = 0; step < 5; step++) {
    for (const [from, iterator] of iterators.entries()) {
      const seq = from + step
      t.is(iterator.next().value?.seq, seq < 200 ? seq : undefined)
    }
  }
})

test('two handles of one process see one log', (t) => {
  const log = fresh(t)
  const other = opened(t, log.path)
  const iterator = other.cursor()
  t.false(iterator.next())
  log.append('x')
  t.true(iterator.next())
  t.is(iterator.text(), 'x')
  t.is(other.nextSeq, 1)
})

test('reverse yields the same messages, the last one first', (t) => {
  const count = 2500
  const log = filled(fresh(t), count)
  log.append('x'.repeat(100_000))
  log.appendBatch(['a', 'b', 'c'])
  const end = count + 4
  const other = opened(t, log.path, { readOnly: true })
  const at = (seq: number) => [...log.read({ from: seq, limit: 1 })][0]!.timestampNs
  const ranges: ReadOptions[] = [
    {},
    { from: 'start' },
    { from: 'end' },
    { from: 100 },
    { from: -100 },
    { from: -(10 ** 6) },
    { from: end },
    { from: end + 10 },
    { to: 0 },
    { to: 1 },
    { to: 1500 },
    { to: end },
    { to: 2 ** 53 - 1 },
    { from: 5, to: 9 },
    { from: 9, to: 5 },
    { from: -10, to: count - 2 },
    { from: end - 1 },
    { from: end - 2, to: end - 1 },
    { from: at(700) },
    { to: at(700) },
    { from: at(300), to: at(2000) },
    { from: 0n, to: 2n ** 64n - 1n },
    { from: new Date(0), to: new Date(8.64e15) },
  ]
  for (const range of ranges) {
    const forward = [...log.read(range)].map((message) => [message.seq, message.type, message.text()])
    const name = JSON.stringify(range, (_, value: unknown) =>
      typeof value === 'bigint' ? `${value}n` : value,
    )
    for (const handle of [log, other]) {
      const backward = [...handle.read({ ...range, reverse: true })]
      t.deepEqual(
        backward.map((message) => [message.seq, message.type, message.text()]).toReversed(),
        forward,
        name,
      )
    }
    for (const limit of [0, 1, 3, 1024, 1025, 10_000]) {
      const last = seqs(log.read({ ...range, limit, reverse: true }))
      const expected = forward
        .map(([seq]) => seq)
        .toReversed()
        .slice(0, limit)
      t.deepEqual(last, expected as number[], `${name}, ${limit}`)
    }
    t.deepEqual(seqs(log.read({ ...range, reverse: false })), forward.map(([seq]) => seq) as number[])
  }
})

test('reading backward begins anew at each iteration, at the end of that moment', (t) => {
  const log = filled(fresh(t), 3000)
  const reader = log.read({ reverse: true })
  const seen = []
  for (const { seq } of reader) {
    seen.push(seq)
    if (seq % 50 === 0) log.append('more')
  }
  t.deepEqual(seen, range(0, 3000).toReversed())
  t.is([...reader][0]!.seq, 3059)
  const held = [...log.read({ limit: 3, reverse: true })]
  log.close()
  t.deepEqual(
    held.map((message) => message.text()),
    ['more', 'more', 'more'],
  )
  refuses(t, () => [...reader], 'ERR_CHRONICLE_CLOSED')
})

test('reading backward ends with the first message that is left', (t) => {
  const log = filled(fresh(t), 3000)
  const { firstSeq } = log.prune({ keepMessages: 500 })
  t.true(firstSeq > 2000)
  t.deepEqual(seqs(log.read({ reverse: true })), range(firstSeq, 3000).toReversed())
  t.deepEqual(seqs(log.read({ reverse: true, from: -10_000 })), range(firstSeq, 3000).toReversed())
  const cursor = log.cursor.bind(log) as (options: object) => unknown
  refuses(
    t,
    () => cursor({ reverse: true }),
    'ERR_CHRONICLE_INVALID_ARGUMENT',
    /cursor has no option "reverse"/,
  )
})

test('durableOnly reads what no power cut can take', async (t) => {
  const log = fresh(t, { segmentBytes: 65_536, sync: 'none' })
  const other = opened(t, log.path, { readOnly: true })
  const check = (end: number) => {
    for (const handle of [log, other]) {
      t.is(handle.durableSeq, end)
      t.deepEqual(seqs(handle.read({ durableOnly: true })), range(0, end))
      t.deepEqual(seqs(handle.read({ durableOnly: true, reverse: true })), range(0, end).toReversed())
      t.deepEqual(seqs(handle.read({ durableOnly: true, from: 3, limit: 5 })), range(3, Math.min(8, end)))
      t.deepEqual(seqs(handle.read({ durableOnly: false })), range(0, log.nextSeq))
      const cursor = handle.cursor({ durableOnly: true })
      let seq = 0
      while (cursor.next()) t.is(cursor.seq, seq++)
      t.is(seq, end)
      t.false(cursor.next({ wait: 5 }))
      cursor.close()
    }
  }
  filled(log, 1000)
  check(0)
  t.is(await log.sync(), 1000)
  filled(log, 700)
  check(1000)
  const behind = other.cursor({ durableOnly: true, from: 1000 })
  t.false(behind.next())
  await log.durable(1699)
  check(1700)
  t.true(behind.next())
  t.is(behind.seq, 1000)
})

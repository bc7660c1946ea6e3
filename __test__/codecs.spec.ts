import test from 'ava'

import { Chronicle, json, msgpack, raw, utf8, type Codec } from '../index.ts'
import { refuses, refusesArgument } from './helpers/refusal.ts'
import { fresh, nowhere, opened } from './helpers/temporary.ts'

interface Order {
  id: number
  note?: string
}

const orders: Order[] = [{ id: 1 }, { id: 2, note: 'überraschend' }, { id: 3, note: '' }]

/** A log of a codec in a new directory. */
function logOf<T, I>(t: Parameters<typeof nowhere>[0], codec: Codec<T, I>): Chronicle<T, I> {
  const log = Chronicle.open(nowhere(t), { codec })
  t.teardown(() => log.close())
  return log
}

test('values go through read, tail and cursor', async (t) => {
  const log = logOf(t, json<Order>())
  t.is(log.append(orders[0]!, { type: 9 }), 0)
  t.deepEqual(log.appendBatch(orders.slice(1), { type: 4 }), { first: 1, last: 2 })
  t.deepEqual(
    [...log.read()].map(({ value, type }) => [value, type]),
    [
      [orders[0], 9],
      [orders[1], 4],
      [orders[2], 4],
    ],
  )
  t.deepEqual(
    [...log.read({ reverse: true, limit: 1 })].map(({ value }) => value),
    [orders[2]],
  )
  const tail = log.tail({ from: 'start' })
  for (const order of orders) t.deepEqual((await tail.next()).value?.value, order)
  const cursor = log.cursor()
  const seen: Order[] = []
  while (cursor.next()) seen.push(cursor.value)
  t.deepEqual(seen, orders)
  t.is([...log.read()][0]?.text(), '{"id":1}')
})

test('a message is decoded when its value is looked at, and once', (t) => {
  let decoded = 0
  const codec: Codec<object, string> = {
    encode: (text) => text,
    decode: (payload) => ({ length: payload.length, number: ++decoded }),
  }
  const log = logOf(t, codec)
  log.appendBatch(['a', 'bb', 'ccc'])
  const messages = [...log.read()]
  t.is(decoded, 0)
  t.is(messages[2]?.value, messages[2]?.value)
  t.deepEqual(messages[2]?.value, { length: 3, number: 1 })
  t.deepEqual(messages[0]?.value, { length: 1, number: 2 })
  t.is(decoded, 2)
})

test('a cursor that comes to a further run decodes its messages and not those before', (t) => {
  const log = logOf(t, json<number>())
  for (let number = 0; number < 3000; number++) log.append(number)
  const cursor = log.cursor()
  let next = 0
  while (cursor.next()) {
    if (cursor.value !== next) t.fail(`${cursor.value} is not ${next}`)
    next++
  }
  t.is(next, 3000)
  log.append(3000)
  t.true(cursor.next())
  t.is(cursor.value, 3000)
})

test('without a codec a value is the payload', (t) => {
  const log = fresh(t)
  log.append('text')
  const [message] = log.read()
  t.deepEqual(message?.value, new Uint8Array(Buffer.from('text')))
  t.is(message?.name, undefined)
})

test('raw takes text and bytes, utf8 takes text alone', (t) => {
  const bytes = logOf(t, raw())
  bytes.append('a')
  bytes.append(new Uint8Array([1, 2]))
  t.deepEqual(
    [...bytes.read()].map(({ value }) => Array.from(value)),
    [[97], [1, 2]],
  )
  const texts = logOf(t, utf8())
  texts.appendBatch(['', 'née'])
  t.deepEqual(
    [...texts.read()].map(({ value }) => value),
    ['', 'née'],
  )
  const error = refuses(t, () => texts.append(7 as never), 'ERR_CHRONICLE_INVALID_VALUE')
  t.is(error.message, 'the value cannot be encoded: it is a number, not a string')
  t.is(utf8().decode(new Uint8Array([0xc3, 0xa9, 0xff])), 'é\ufffd')
  t.deepEqual(json().decode(new Uint8Array(Buffer.from('[1]'))), [1])
})

test('json refuses what has no JSON, when appending and when reading', (t) => {
  const log = logOf(t, json())
  const circular: { self?: unknown } = {}
  circular.self = circular
  for (const value of [undefined, () => 1, Symbol('x'), 1n, circular]) {
    const error = refuses(t, () => log.append(value), 'ERR_CHRONICLE_INVALID_VALUE', /^the value cannot/)
    t.is(error.seq, undefined)
  }
  refuses(t, () => log.appendBatch([1, undefined]), 'ERR_CHRONICLE_INVALID_VALUE', /^items\[1\] cannot/)
  t.is(log.nextSeq, 0)
  log.append(null)

  const plain = log.path
  log.close()
  const writer = opened(t, plain)
  writer.appendBatch(['{"id":', '2'])
  writer.close()
  const again = Chronicle.open(plain, { codec: json(), readOnly: true })
  t.teardown(() => again.close())
  const messages = [...again.read()]
  t.is(messages[0]?.value, null)
  t.is(messages[2]?.value, 2)
  for (let look = 0; look < 2; look++) {
    const error = refuses(t, () => messages[1]?.value, 'ERR_CHRONICLE_INVALID_VALUE', /^message 1 cannot be/)
    t.is(error.seq, 1)
    t.true(error.cause instanceof SyntaxError)
  }
  t.is(messages[1]?.text(), '{"id":')
})

test('msgpack keeps dates, bytes and large numbers, and each message stands for itself', (t) => {
  const values = [
    { at: new Date(1234), bytes: new Uint8Array([1, 2, 3]), big: 2n ** 60n, seq: 2 ** 52 + 1 },
    { at: new Date(0), bytes: new Uint8Array(0), big: -(2n ** 63n), seq: -1 },
  ]
  const log = logOf(t, msgpack<(typeof values)[0]>())
  log.appendBatch(values)
  log.appendBatch(values)
  const read = Array.from(log.read(), ({ value: { at, bytes, big, seq } }) => {
    return { at, bytes: new Uint8Array(bytes), big, seq }
  })
  t.deepEqual(read, [...values, ...values])
  // A map of four, not a record of msgpackr: the same bytes wherever the message stands.
  const payloads = [...log.read()].map(({ payload }) => Buffer.from(payload).toString('hex'))
  t.is(payloads[0], payloads[2])
  t.regex(payloads[0]!, /^(84|de0004)a26174d6ff|^(84|de0004)a26174d7ff/)
})

test('what msgpack gives out of a cursor outlives its next step', (t) => {
  const log = logOf(t, msgpack<{ bytes: Uint8Array }>())
  for (let byte = 0; byte < 200; byte++) log.append({ bytes: new Uint8Array(8192).fill(byte) })
  const cursor = log.cursor()
  t.true(cursor.next())
  const { bytes } = cursor.value
  while (cursor.next());
  t.true(bytes.every((byte) => byte === 0))
})

test('a codec may use its memory again, throw anything, and must give a payload', (t) => {
  const memory = new Uint8Array(1)
  const reusing = logOf<number, number>(t, {
    encode(value) {
      memory[0] = value
      return memory
    },
    decode: ([byte]) => byte ?? -1,
  })
  reusing.appendBatch([1, 2, 3])
  t.deepEqual(
    [...reusing.read()].map(({ value }) => value),
    [1, 2, 3],
  )

  const broken = logOf<unknown, unknown>(t, {
    encode(value) {
      if (value === 'throw') throw value
      return value as string
    },
    decode() {
      throw new RangeError('no')
    },
  })
  for (const value of [1, null, { payload: 'x' }, ['a']]) {
    refuses(t, () => broken.append(value), 'ERR_CHRONICLE_INVALID_VALUE', /neither a string nor/)
    refuses(t, () => broken.appendBatch([value]), 'ERR_CHRONICLE_INVALID_VALUE', /^items\[0\] cannot/)
  }
  t.is(refuses(t, () => broken.append('throw'), 'ERR_CHRONICLE_INVALID_VALUE').cause, 'throw')
  broken.append('fine')
  const [message] = broken.read()
  t.true(refuses(t, () => message?.value, 'ERR_CHRONICLE_INVALID_VALUE', /: no$/).cause instanceof RangeError)
})

test('a codec that appends to its own log gets its turn first', (t) => {
  const log: Chronicle<string> = logOf<string, string>(t, {
    encode(value) {
      if (value === 'outer') log.appendBatch(['inner'])
      return value
    },
    decode: (payload) => Buffer.from(payload).toString(),
  })
  log.appendBatch(['first', 'outer'])
  t.deepEqual(
    [...log.read()].map(({ value }) => value),
    ['inner', 'first', 'outer'],
  )
})

test('a claim is bytes, with a codec too', (t) => {
  const log = logOf(t, json<number[]>())
  const claim = log.claim(3)
  claim.write(Buffer.from('[5]'))
  claim.publish()
  t.deepEqual([...log.read()][0]?.value, [5])
})

test('what is no codec is refused', (t) => {
  const open = Chronicle.open as (dir: string, options: unknown) => unknown
  const dir = nowhere(t)
  for (const codec of [null, 1, 'json', {}, { encode: () => '' }, { decode: () => 1, encode: 1 }]) {
    refusesArgument(
      t,
      () => open(dir, { codec }),
      /^codec must be a codec, an object with encode and decode$/,
    )
  }
  refusesArgument(t, () => open(dir, { codec: json }), /call the function that makes it/)
  for (const options of [1, { shema: 1 }, { schema: 1 }, { schema: {} }, { validate: 'read' }]) {
    refusesArgument(t, () => json(options as object), /./)
    refusesArgument(t, () => msgpack(options as object), /./)
  }
})

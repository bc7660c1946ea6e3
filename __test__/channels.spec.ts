import test from 'ava'
import { z } from 'zod'

import { Chronicle, json, raw, utf8 } from '../index.ts'
import { refuses, refusesArgument } from './helpers/refusal.ts'
import { fresh, nowhere } from './helpers/temporary.ts'

interface Order {
  id: number
}

const table = { order: [1, json<Order>()], note: [7, utf8()] } as const

test('types have names, when appending and when reading', async (t) => {
  const log = fresh(t)
  const events = log.types(table)
  t.is(events.append('order', { id: 5 }), 0)
  t.deepEqual(
    events.appendBatch([
      { name: 'note', value: 'n' },
      { name: 'order', value: { id: 6 } },
    ]),
    { first: 1, last: 2 },
  )
  const expected = [
    ['order', 1, { id: 5 }],
    ['note', 7, 'n'],
    ['order', 1, { id: 6 }],
  ]
  t.deepEqual(
    [...events.read()].map(({ name, type, value }) => [name, type, value]),
    expected,
  )
  const tail = events.tail({ from: 'start' })
  for (const [name, , value] of expected) {
    const { value: event } = await tail.next()
    t.is(event?.name, name as 'order')
    t.deepEqual(event?.value, value as Order)
  }
  // The log itself is what it was.
  t.deepEqual(
    [...log.read()].map((message) => message.text()),
    ['{"id":5}', 'n', '{"id":6}'],
  )
  t.is(await events.sync(), 3)
})

test('expectedSeq and named positions work as everywhere', async (t) => {
  const log = fresh(t)
  const events = log.types(table)
  events.append('note', 'a', { expectedSeq: 0 })
  const conflict = () => events.append('note', 'b', { expectedSeq: 0 })
  t.is(refuses(t, conflict, 'ERR_CHRONICLE_CONFLICT').actual, 1)
  const batch = () => events.appendBatch([{ name: 'note', value: 'b' }], { expectedSeq: 0 })
  t.is(refuses(t, batch, 'ERR_CHRONICLE_CONFLICT').actual, 1)
  for await (const event of events.tail({ name: 'x', keepAlive: true })) {
    event.commit()
    break
  }
  t.is(log.readers()[0]?.nextSeq, 1)
})

test('a type that is not in the table throws where it is looked at, and the iteration goes on', (t) => {
  const log = fresh(t)
  log.append('other', { type: 3 })
  const events = log.types(table)
  events.append('note', 'mine')
  const [other, mine] = events.read()
  for (const look of [() => other?.name, () => other?.value]) {
    t.is(refuses(t, look, 'ERR_CHRONICLE_UNKNOWN_TYPE', /message 0 has the type 3/).seq, 0)
  }
  t.is(other?.text(), 'other')
  t.is(other?.type, 3)
  t.is(mine?.value, 'mine')
})

test('a type that is not in the table is a member of the union when asked for', (t) => {
  const log = fresh(t)
  log.append('other', { type: 3 })
  const events = log.types(table, { unknown: 'include' })
  events.append('note', 'mine')
  const [other, mine] = events.read()
  t.is(other?.name, undefined)
  t.deepEqual(other?.value, new Uint8Array(Buffer.from('other')) as never)
  t.is(mine?.name, 'note')
})

test('each type has its schema', (t) => {
  const log = fresh(t)
  const events = log.types({
    order: [1, json({ schema: z.object({ id: z.number() }) })],
    frame: [2, raw()],
  })
  const bad = { id: 'x' } as never
  refuses(t, () => events.append('order', bad), 'ERR_CHRONICLE_INVALID_VALUE', /^the value of order cannot/)
  const batch = () =>
    events.appendBatch([
      { name: 'frame', value: 'x' },
      { name: 'order', value: bad },
    ])
  refuses(t, batch, 'ERR_CHRONICLE_INVALID_VALUE', /^items\[1\] cannot/)
  t.is(log.nextSeq, 0)
  log.append('{"id":"x"}', { type: 1 })
  const [message] = events.read()
  t.is(refuses(t, () => message?.value, 'ERR_CHRONICLE_INVALID_VALUE').issues?.length, 1)
})

test('two views of a log do not disturb each other, nor names that objects have', (t) => {
  const log = fresh(t)
  const one = log.types({ constructor: [1, utf8()], toString: [2, json<number>()] })
  const other = log.types({ text: [1, utf8()], number: [2, json<number>()] })
  one.append('constructor', 'a')
  other.append('number', 3)
  t.deepEqual(
    [...one.read()].map(({ name, value }) => [name, value]),
    [
      ['constructor', 'a'],
      ['toString', 3],
    ],
  )
  t.deepEqual(
    [...other.read()].map(({ name, value }) => [name, value]),
    [
      ['text', 'a'],
      ['number', 3],
    ],
  )
  refusesArgument(
    t,
    () => other.append('valueOf' as never, 'x' as never),
    /^name must be one of text, number/,
  )
})

test('tables, names and options are checked', (t) => {
  const log = fresh(t)
  const types = log.types.bind(log) as (table: unknown, options?: unknown) => unknown
  refusesArgument(t, () => types(undefined), /types takes an object/)
  refusesArgument(t, () => types([1]), /types takes an object/)
  refusesArgument(t, () => types({ a: 1 }), /entry of a must be \[type, codec\]/)
  refusesArgument(t, () => types({ a: [1] }), /entry of a must be/)
  refusesArgument(t, () => types({ a: [-1, raw()] }), /^the type of a must be a whole number/)
  refusesArgument(t, () => types({ a: [65_536, raw()] }), /^the type of a must be/)
  refusesArgument(t, () => types({ a: [1, {}] }), /^the codec of a must be a codec/)
  refusesArgument(t, () => types({ a: [1, raw()], b: [1, raw()] }), /^b and a have the same type 1$/)
  refusesArgument(t, () => types({}, { unknown: 'skip' }), /'throw' or 'include'/)
  refusesArgument(t, () => types({}, { others: 1 }), /no option "others"/)

  const events = log.types(table)
  const append = events.append.bind(events) as (...args: unknown[]) => unknown
  const appendBatch = events.appendBatch.bind(events) as (...args: unknown[]) => unknown
  refusesArgument(t, () => append('nope', 1), /^name must be one of order, note, got nope/)
  refusesArgument(t, () => append(1, 1), /^name must be one of/)
  refusesArgument(t, () => append('note', 'x', { type: 2 }), /no option "type"/)
  refusesArgument(
    t,
    () => appendBatch([{ name: 'note', value: 'x' }, 'x']),
    /^items\[1\].name must be one of/,
  )
  refusesArgument(t, () => appendBatch([null]), /^items\[0\].name must be/)
  refusesArgument(t, () => appendBatch('x'), /^items must be an array/)
  refusesArgument(t, () => appendBatch([]), /at least one/)
  refusesArgument(t, () => appendBatch([{ name: 'note', value: 'x' }], { type: 2 }), /no option "type"/)
  t.is(log.nextSeq, 0)

  const coded = Chronicle.open(nowhere(t), { codec: json() })
  t.teardown(() => coded.close())
  const ofCoded = coded.types.bind(coded as never) as (table: unknown) => unknown
  refusesArgument(t, () => ofCoded({ a: [1, raw()] }), /without a codec/)
})

test('a closed log has no views that read', (t) => {
  const log = fresh(t)
  const events = log.types(table)
  log.close()
  refuses(t, () => events.read(), 'ERR_CHRONICLE_CLOSED')
  refuses(t, () => events.tail(), 'ERR_CHRONICLE_CLOSED')
  refuses(t, () => events.append('note', 'x'), 'ERR_CHRONICLE_CLOSED')
})

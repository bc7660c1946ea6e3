import test from 'ava'
import { expectTypeOf } from 'expect-type'
import { z } from 'zod'

import {
  Chronicle,
  ChronicleError,
  json,
  msgpack,
  raw,
  utf8,
  withSchema,
  type BatchItem,
  type ChannelItem,
  type Codec,
  type LogReadable,
  type LogWritable,
  type Message,
  type Payload,
} from '../index.ts'
import { fresh, nowhere } from './helpers/temporary.ts'

interface Order {
  id: number
  note?: string
}

interface Fill {
  price: number
}

// What is wrong here is found by the compiler, which `npm run lint` runs; to run it shows that types tell the truth.

test('a plain log takes text and bytes and gives bytes', async (t) => {
  const log = fresh(t)
  expectTypeOf(log).toEqualTypeOf<Chronicle<Uint8Array, Payload>>()
  expectTypeOf<Chronicle<Uint8Array>>().toEqualTypeOf<Chronicle>()
  expectTypeOf(log.append).parameter(0).toEqualTypeOf<Payload>()
  const items: (Payload | BatchItem)[] = ['a', { payload: 'b', type: 1 }]
  log.appendBatch(items)
  log.appendBatch([new Uint8Array(1), { payload: 'b' }])
  for (const message of log.read()) expectTypeOf(message).toEqualTypeOf<Message>()
  for await (const message of log.tail({ from: 'start' })) {
    expectTypeOf(message.value).toEqualTypeOf<Uint8Array>()
    break
  }
  const cursor = log.cursor()
  t.true(cursor.next())
  expectTypeOf(cursor.value).toEqualTypeOf<Uint8Array>()
  t.true(cursor.value instanceof Uint8Array)
  expectTypeOf(log.readable()).toEqualTypeOf<LogReadable<Message>>()
  expectTypeOf(log.readable({ values: true })).toEqualTypeOf<LogReadable<Uint8Array>>()
  expectTypeOf(log.writable()).toEqualTypeOf<LogWritable<Payload>>()
  // @ts-expect-error a plain log has no objects
  t.throws(() => log.append({ id: 1 }))
  // @ts-expect-error nor numbers
  t.throws(() => log.appendBatch([1]))
})

test('a codec gives its type to everything that reads and appends', async (t) => {
  const log = Chronicle.open<Order>(nowhere(t), { codec: json<Order>() })
  t.teardown(() => log.close())
  expectTypeOf(log).toEqualTypeOf<Chronicle<Order, Order>>()
  expectTypeOf<Chronicle<Order>>().toEqualTypeOf<Chronicle<Order, Order>>()
  log.append({ id: 1 })
  log.appendBatch([{ id: 2 }, { id: 3, note: 'n' }])
  for (const { value } of log.read()) expectTypeOf(value).toEqualTypeOf<Order>()
  for await (const { value } of log.tail({ from: 'start' })) {
    expectTypeOf(value).toEqualTypeOf<Order>()
    break
  }
  const cursor = log.cursor()
  t.true(cursor.next())
  expectTypeOf(cursor.value).toEqualTypeOf<Order>()
  expectTypeOf(log.readable()).toEqualTypeOf<LogReadable<Message<Order>>>()
  expectTypeOf(log.writable()).toEqualTypeOf<LogWritable<Order>>()
  for await (const value of log.readable({ values: true })) expectTypeOf(value).toEqualTypeOf<Order>()
  for await (const value of log.readableStream({ values: true })) expectTypeOf(value).toEqualTypeOf<Order>()
  for await (const message of log.readableStream()) expectTypeOf(message).toEqualTypeOf<Message<Order>>()
  expectTypeOf(log.writableStream()).toEqualTypeOf<WritableStream<Order>>()
  // @ts-expect-error text is no order
  log.append('{"id":4}')
  // @ts-expect-error the wrong type of a field
  log.appendBatch([{ id: 'x' }])
  // @ts-expect-error the items of a log with a codec are values
  log.appendBatch([{ payload: { id: 1 } }])
  t.is(log.nextSeq, 6)
})

test('opening infers the type from the codec, and asks for one where a type is given', (t) => {
  const text = Chronicle.open(nowhere(t), { codec: utf8() })
  expectTypeOf(text).toEqualTypeOf<Chronicle<string, string>>()
  text.close()
  const options = { segmentBytes: 65_536, codec: msgpack<Order>() }
  const packed = Chronicle.open(nowhere(t), options)
  expectTypeOf(packed).toEqualTypeOf<Chronicle<Order, Order>>()
  packed.close()
  const bytes = Chronicle.open(nowhere(t), { codec: raw() })
  expectTypeOf(bytes).toEqualTypeOf<Chronicle>()
  bytes.close()
  const unknowns = Chronicle.open(nowhere(t), { codec: json() })
  expectTypeOf(unknowns).toEqualTypeOf<Chronicle<unknown, unknown>>()
  unknowns.close()
  // @ts-expect-error a type without a codec
  Chronicle.open<Order>(nowhere(t), {}).close()
  // @ts-expect-error a codec of another type
  Chronicle.open<Order>(nowhere(t), { codec: utf8() }).close()
  // @ts-expect-error no codec
  t.throws(() => Chronicle.open(nowhere(t), { codec: json }))
})

test('a schema gives what it takes and what it makes of it', (t) => {
  const schema = z.object({ id: z.number(), at: z.string().transform((text) => new Date(text)) })
  type In = { id: number; at: string }
  type Out = { id: number; at: Date }
  expectTypeOf(json({ schema })).toEqualTypeOf<Codec<Out, In>>()
  expectTypeOf(msgpack({ schema, validate: 'read' })).toEqualTypeOf<Codec<Out, In>>()
  expectTypeOf(withSchema(json(), schema)).toEqualTypeOf<Codec<Out, In>>()
  const log = Chronicle.open(nowhere(t), { codec: json({ schema }) })
  t.teardown(() => log.close())
  expectTypeOf(log).toEqualTypeOf<Chronicle<Out, In>>()
  log.append({ id: 1, at: '2026-01-01' })
  for (const { value } of log.read()) t.true(value.at instanceof Date)
  const order = z.object({ id: z.number() })
  expectTypeOf(json<{ id: number }>({ schema: order })).toEqualTypeOf<Codec<{ id: number }>>()
  // @ts-expect-error the schema is of another type
  json<Fill>({ schema: order })
  // @ts-expect-error what the schema takes, not what it makes
  t.throws(() => log.append({ id: 1, at: new Date() }))
})

test('the name of a message tells which type its value has', async (t) => {
  const log = fresh(t)
  const events = log.types({ order: [1, json<Order>()], fill: [2, json<Fill>()], note: [3, raw()] })
  events.append('order', { id: 1 })
  events.append('fill', { price: 2 })
  events.append('note', 'text or bytes')
  type Item =
    { name: 'order'; value: Order } | { name: 'fill'; value: Fill } | { name: 'note'; value: Payload }
  const items: Item[] = [{ name: 'fill', value: { price: 3 } }]
  events.appendBatch(items)
  expectTypeOf(events.writable()).toEqualTypeOf<LogWritable<Item>>()
  expectTypeOf<ChannelItem<{ order: [1, Codec<Order>] }>>().toEqualTypeOf<{ name: 'order'; value: Order }>()

  for (const event of events.read()) {
    expectTypeOf(event.name).toEqualTypeOf<'order' | 'fill' | 'note'>()
    expectTypeOf(event.value).toEqualTypeOf<Order | Fill | Uint8Array>()
    expectTypeOf(event.seq).toEqualTypeOf<number>()
    if (event.name === 'order') expectTypeOf(event.value).toEqualTypeOf<Order>()
    else if (event.name === 'fill') expectTypeOf(event.value).toEqualTypeOf<Fill>()
    else expectTypeOf(event.value).toEqualTypeOf<Uint8Array>()
  }
  for await (const event of events.tail({ from: 'start' })) {
    if (event.name === 'fill') expectTypeOf(event.value).toEqualTypeOf<Fill>()
    break
  }
  for await (const event of events.readable()) {
    if (event.name === 'fill') expectTypeOf(event.value).toEqualTypeOf<Fill>()
  }
  for await (const value of events.readableStream({ values: true })) {
    expectTypeOf(value).toEqualTypeOf<Order | Fill | Uint8Array>()
  }
  for (const event of log.types({ order: [1, json<Order>()] }, { unknown: 'include' }).read()) {
    expectTypeOf(event.name).toEqualTypeOf<'order' | undefined>()
    if (event.name === undefined) expectTypeOf(event.value).toEqualTypeOf<Uint8Array>()
    else expectTypeOf(event.value).toEqualTypeOf<Order>()
  }
  // @ts-expect-error the value of another type
  events.append('order', { price: 1 })
  // @ts-expect-error no such name
  t.throws(() => events.append('trade', { price: 1 }))
  // @ts-expect-error the value of another type
  events.appendBatch([{ name: 'order', value: { price: 1 } }])
  // @ts-expect-error a number alone is no entry
  t.throws(() => log.types({ order: 1 }))
  const coded = Chronicle.open(nowhere(t), { codec: json() })
  t.teardown(() => coded.close())
  // @ts-expect-error a log with a codec has no further types
  t.throws(() => coded.types({ order: [1, json<Order>()] }))
})

test('functions over logs take those of any type', (t) => {
  const log = Chronicle.open<Order>(nowhere(t), { codec: json<Order>() })
  t.teardown(() => log.close())
  const count = <T>(any: Chronicle<T>): number => [...any.read()].length
  const first = <T, I>(any: Chronicle<T, I>): T | undefined => [...any.read()][0]?.value
  t.is(count(log), 0)
  expectTypeOf(first(log)).toEqualTypeOf<Order | undefined>()
  const copy = <T>(from: Chronicle<T>, to: Chronicle<T, T>): void => {
    for (const { value } of from.read()) to.append(value)
    to.appendBatch(Array.from(from.read({ limit: 0 }), ({ value }) => value).concat([] as T[]), {})
  }
  expectTypeOf(copy<Order>)
    .parameter(0)
    .toEqualTypeOf<Chronicle<Order>>()
})

test('an error tells by a property that cannot be set whether a file is damaged', (t) => {
  const error = new ChronicleError('ERR_CHRONICLE_CORRUPT', 'as it happened')
  expectTypeOf(error.damage).toEqualTypeOf<boolean>()
  // @ts-expect-error: it goes by the code.
  t.throws(() => (error.damage = false), { instanceOf: TypeError })
})

import { type } from 'arktype'
import test from 'ava'
import * as v from 'valibot'
import { z } from 'zod'

import { Chronicle, json, msgpack, utf8, withSchema, type StandardSchema, type Validate } from '../index.ts'
import { refuses, refusesArgument } from './helpers/refusal.ts'
import { nowhere, opened } from './helpers/temporary.ts'

interface Order {
  id: number
  note: string
}

/** The same in each library: the note of an order is empty unless it is given. */
const schemas: Record<string, StandardSchema<{ id: number; note?: string | undefined }, Order>> = {
  zod: z.object({ id: z.number(), note: z.string().default('') }),
  valibot: v.object({ id: v.number(), note: v.optional(v.string(), '') }),
  arktype: type({ id: 'number', note: 'string = ""' }),
}

/** The path of an issue, keys alone. */
function keys(path: readonly (PropertyKey | { readonly key: PropertyKey })[] = []): PropertyKey[] {
  return [...path].map((segment) => (typeof segment === 'object' ? segment.key : segment))
}

for (const [library, schema] of Object.entries(schemas)) {
  test(`${library}: what does not fit is refused before it is appended`, (t) => {
    const log = Chronicle.open(nowhere(t), { codec: json({ schema }) })
    t.teardown(() => log.close())
    const bad = { id: 'seven', note: 1 } as never
    const error = refuses(t, () => log.append(bad), 'ERR_CHRONICLE_INVALID_VALUE', /id: .*note: /)
    t.is(error.seq, undefined)
    t.deepEqual(error.issues?.map(({ path }) => keys(path)).toSorted(), [['id'], ['note']])
    const batch = refuses(t, () => log.appendBatch([{ id: 1 }, bad]), 'ERR_CHRONICLE_INVALID_VALUE')
    t.regex(batch.message, /^items\[1\] cannot be encoded: not as the schema says: /)
    t.is(log.nextSeq, 0)
  })

  test(`${library}: what does not fit is refused when it is read, with its seq`, (t) => {
    const dir = nowhere(t)
    const plain = opened(t, dir)
    plain.appendBatch(['{"id":1}', '{"id":"x"}', '{"id":3,"note":"n"}'])
    plain.close()
    const log = Chronicle.open(dir, { codec: json({ schema }), readOnly: true })
    t.teardown(() => log.close())
    const [first, second, third] = log.read()
    t.deepEqual(first?.value, { id: 1, note: '' })
    t.deepEqual(third?.value, { id: 3, note: 'n' })
    const error = refuses(
      t,
      () => second?.value,
      'ERR_CHRONICLE_INVALID_VALUE',
      /^message 1 cannot be decoded: /,
    )
    t.is(error.seq, 1)
    t.deepEqual(
      error.issues?.map(({ path }) => keys(path)),
      [['id']],
    )
  })
}

/** Text to its length: to apply it twice would fail. */
const lengths = z.string().transform((text) => text.length)

function both(
  t: Parameters<typeof nowhere>[0],
  validate: Validate | undefined,
): { stored: string; read: unknown } {
  const log = Chronicle.open(nowhere(t), { codec: json({ schema: lengths, validate }) })
  t.teardown(() => log.close())
  log.append('four')
  const [message] = log.read()
  return { stored: message!.text(), read: message!.value }
}

test('a schema that changes values is applied once to what a reader gets', (t) => {
  t.deepEqual(both(t, undefined), { stored: '"four"', read: 4 })
  t.deepEqual(both(t, 'both'), { stored: '"four"', read: 4 })
  t.deepEqual(both(t, 'read'), { stored: '"four"', read: 4 })
  t.deepEqual(both(t, 'write'), { stored: '4', read: 4 })
})

test('each side can be left out', (t) => {
  const schema = z.object({ id: z.number() })
  const bad = { id: 'x' } as never
  const onRead = json({ schema, validate: 'read' })
  t.is(onRead.encode(bad), '{"id":"x"}')
  t.throws(() => onRead.decodeText!('{"id":"x"}'))
  const onWrite = json({ schema, validate: 'write' })
  t.throws(() => onWrite.encode(bad))
  t.deepEqual(onWrite.decodeText!('{"id":"x"}'), bad)
})

test('every codec takes a schema', (t) => {
  const dates = msgpack({ schema: z.object({ at: z.date() }) })
  const log = Chronicle.open(nowhere(t), { codec: dates })
  t.teardown(() => log.close())
  log.append({ at: new Date(5) })
  t.deepEqual([...log.read()][0]?.value, { at: new Date(5) })
  refuses(t, () => log.append({ at: 5 } as never), 'ERR_CHRONICLE_INVALID_VALUE', /at: /)

  const ids = withSchema(utf8(), z.uuid())
  const id = 'f47ac10b-58cc-4372-a567-0e02b2c3d479'
  t.is(ids.decode(new Uint8Array(Buffer.from(ids.encode(id)))), id)
  refuses(t, () => ids.encode('x'), 'ERR_CHRONICLE_INVALID_VALUE', /^not as the schema says: /)
  const own = { encode: (value: unknown) => String(value), decode: ([byte]: Uint8Array) => byte }
  refuses(
    t,
    () => withSchema(own, z.number().max(9)).decode(new Uint8Array([10])),
    'ERR_CHRONICLE_INVALID_VALUE',
  )
})

test('an asynchronous schema is refused, and its rejection troubles nobody', (t) => {
  const slow = z.string().refine(async (text) => text === 'x')
  const failing: StandardSchema<string> = {
    '~standard': { version: 1, vendor: 'test', validate: () => Promise.reject(new Error('late')) },
  }
  for (const schema of [slow, failing]) {
    const codec = json({ schema })
    const message = /^the schema is asynchronous/
    refusesArgument(t, () => codec.encode('x'), message)
    refusesArgument(t, () => codec.decode(new Uint8Array(Buffer.from('"x"'))), message)
  }
})

test('many issues are counted in the message and all in the error', (t) => {
  const codec = json({ schema: z.array(z.number()) })
  const error = refuses(
    t,
    () => codec.encode(['a', 'b', 'c', 'd', 'e'] as never),
    'ERR_CHRONICLE_INVALID_VALUE',
  )
  t.is(error.issues?.length, 5)
  t.regex(error.message, /0: .*; 1: .*; 2: .*; and 2 more$/)
})

test('what is no schema is refused', (t) => {
  const make = withSchema as (codec: unknown, schema: unknown, options?: unknown) => unknown
  for (const schema of [undefined, null, 1, {}, { '~standard': { version: 2, validate: () => ({}) } }]) {
    refusesArgument(t, () => make(utf8(), schema), /^schema must be a schema that follows Standard Schema/)
  }
  refusesArgument(t, () => make({}, z.string()), /^codec must be/)
  refusesArgument(t, () => make(utf8(), z.string(), { validate: 'never' }), /'write', 'read' or 'both'/)
  refusesArgument(t, () => make(utf8(), z.string(), { when: 'read' }), /no option "when"/)
})

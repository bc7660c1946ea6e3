import { readFileSync } from 'node:fs'

import test from 'ava'

import { Chronicle, ChronicleError, errorCodes, type ChronicleErrorCode } from '../index.ts'
import { refuses } from './helpers/refusal.ts'
import { fresh, nowhere } from './helpers/temporary.ts'

test('the table has every code of the core, and those of its own', (t) => {
  const source = readFileSync(new URL('../crates/chronicle-core/src/error.rs', import.meta.url), 'utf8')
  const table = source.slice(source.indexOf('kinds! {'), source.indexOf('\n}\n', source.indexOf('kinds! {')))
  const core = [...table.matchAll(/= "([A-Z_]+)"/g)].map((match) => `ERR_CHRONICLE_${match[1]}`)
  t.true(core.length > 20)
  const ours = [
    'ERR_CHRONICLE_INVALID_VALUE',
    'ERR_CHRONICLE_MISSING_DEPENDENCY',
    'ERR_CHRONICLE_NO_BINDING',
    'ERR_CHRONICLE_UNKNOWN_TYPE',
  ]
  t.deepEqual(Object.keys(errorCodes).toSorted(), [...core, ...ours].toSorted())
  for (const advice of Object.values(errorCodes)) t.regex(advice, /^[A-Z].*\.$/)
})

test('an error has a name, a code, a message, a stack, and only what is known', (t) => {
  const dir = nowhere(t)
  const error = refuses(t, () => Chronicle.open(dir, { create: false }), 'ERR_CHRONICLE_NOT_FOUND')
  t.true(error instanceof Error && error instanceof ChronicleError)
  t.is(error.name, 'ChronicleError')
  t.is(error.path, dir)
  t.true(error.message.includes(dir))
  t.regex(error.stack ?? '', /errors\.spec/)
  t.deepEqual(Object.keys(error).toSorted(), ['code', 'path'])
  t.is(Object.prototype.toString.call(error), '[object Error]')
})

test('an error tells whether a file is damaged, as the document says', (t) => {
  const document = readFileSync(new URL('../docs/ERRORS.md', import.meta.url), 'utf8')
  const [, listed = ''] = /^Where `damage` of an error is true.*?: ([^.]*)\./ms.exec(document) ?? []
  const names = [...listed.matchAll(/`(?:ERR_CHRONICLE_)?([A-Z_]+)`/g)].map(
    ([, name]) => `ERR_CHRONICLE_${name}`,
  )
  t.is(names.length, 6)
  for (const code of Object.keys(errorCodes) as ChronicleErrorCode[]) {
    const error = new ChronicleError(code, 'as it happened')
    t.is(error.damage, names.includes(code), code)
    t.deepEqual(Object.keys(error), ['code'])
  }
})

test('a setter on Error.prototype sees nothing of an error on its way', (t) => {
  const log = fresh(t)
  const seen: unknown[] = []
  Object.defineProperty(Error.prototype, 'actual', { configurable: true, set: (value) => seen.push(value) })
  t.teardown(() => delete (Error.prototype as { actual?: unknown }).actual)
  t.is(refuses(t, () => log.append('x', { expectedSeq: 9 }), 'ERR_CHRONICLE_CONFLICT').actual, 0)
  t.deepEqual(seen, [])
})

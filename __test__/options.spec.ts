import { existsSync } from 'node:fs'
import { pathToFileURL } from 'node:url'

import test from 'ava'

import { Chronicle, MessageHeader, MmapFile, type OpenOptions } from '../index.ts'
import { refusesArgument } from './helpers/refusal.ts'
import { fresh, nowhere, opened } from './helpers/temporary.ts'

/** Values of no type that any number option takes. */
const notNumbers = [NaN, Infinity, -1, 0.5, '1', null, true, {}, [], 1n, () => 1]

const badOptions: Record<keyof OpenOptions, readonly unknown[]> = {
  create: [0, 'yes', null],
  readOnly: [1, 'no', null],
  segmentBytes: [...notNumbers, 0, 65_535, 65_537, 4095, 2 ** 32 + 4096, 2 ** 53],
  mode: [...notNumbers, 0, 0o400, 0o1600, '600'],
  sync: [
    'sometimes',
    0,
    null,
    true,
    {},
    { everyMs: 0 },
    { everyMs: NaN },
    { everyMs: 2 ** 31 },
    { every: 5 },
  ],
  allowNetworkFs: [1, null],
  retention: [
    null,
    1,
    [],
    {},
    { keepUnread: false },
    { keepBytes: -1 },
    { keepMs: NaN },
    { keepMessages: 0.5 },
    { keepUnread: 1, keepBytes: 1 },
    { keep: 1 },
  ],
}

for (const [name, values] of Object.entries(badOptions)) {
  test(`open refuses a bad ${name} by name and creates nothing`, (t) => {
    const dir = nowhere(t)
    for (const value of values) {
      refusesArgument(t, () => Chronicle.open(dir, { [name]: value }), new RegExp(name))
      t.false(existsSync(dir))
    }
  })
}

test('open refuses unknown options and things that are no options', (t) => {
  const dir = nowhere(t)
  const open = Chronicle.open as (dir: unknown, options?: unknown) => Chronicle
  refusesArgument(t, () => open(dir, { segmentSize: 1 }), /no option "segmentSize"/)
  refusesArgument(t, () => open(dir, { create: true, toString: 1 }), /no option "toString"/)
  refusesArgument(t, () => open(dir, Object.create({ inherited: 1 })), /no option "inherited"/)
  for (const options of [null, 1, 'x', true, []])
    refusesArgument(t, () => open(dir, options), /options of open/)
  for (const path of ['', 'a\0b', 1, null, undefined, {}, new URL('https://x.invalid/')]) {
    refusesArgument(t, () => open(path), /^dir must be/)
  }
  t.false(existsSync(dir))
})

test('open takes every good option, undefined among them, and a file URL', (t) => {
  const options: OpenOptions[] = [
    { segmentBytes: 65_536 },
    { segmentBytes: 2 ** 32 },
    { segmentBytes: 65_536 + 4096 },
    { mode: 0o640 },
    { sync: 'none' },
    { sync: 'always' },
    { sync: { everyMs: 1 } },
    { sync: { everyMs: 2 ** 31 - 1 } },
    { create: true, readOnly: false, allowNetworkFs: true, segmentBytes: undefined, sync: undefined },
  ]
  for (const option of options) t.is(opened(t, nowhere(t), option).append('x'), 0)
  const dir = nowhere(t)
  using log = Chronicle.open(pathToFileURL(dir))
  t.is(log.path, dir)
})

test('the options of append are refused by name before anything is written', (t) => {
  const log = fresh(t)
  const append = log.append.bind(log) as (payload: unknown, options?: unknown) => number
  for (const type of [...notNumbers, 65_536]) refusesArgument(t, () => append('x', { type }), /^type must be/)
  for (const expectedSeq of [...notNumbers, 2 ** 53]) {
    refusesArgument(t, () => append('x', { expectedSeq }), /^expectedSeq must be/)
  }
  refusesArgument(t, () => append('x', { typ: 1 }), /no option "typ"/)
  for (const options of [null, 1, 'type', true])
    refusesArgument(t, () => append('x', options), /options of append/)
  for (const payload of [
    undefined,
    null,
    1,
    {},
    [1],
    new Uint16Array(1),
    new ArrayBuffer(1),
    new DataView(new ArrayBuffer(1)),
    1n,
  ]) {
    refusesArgument(t, () => append(payload), /^payload must be/)
  }
  t.is(log.nextSeq, 0)
})

test('the items of a batch are checked one and all before anything is written', (t) => {
  const log = fresh(t)
  const append = log.appendBatch.bind(log) as (items: unknown, options?: unknown) => unknown
  refusesArgument(t, () => append([]), /at least one/)
  for (const items of [undefined, null, 'abc', new Uint8Array(2), {}, new Set(['a'])]) {
    refusesArgument(t, () => append(items), /items must be an array/)
  }
  for (const item of [undefined, null, 1, [], {}, { payload: 1 }, { type: 1 }, new ArrayBuffer(1)]) {
    refusesArgument(t, () => append(['good', item]), /items\[1\]/)
  }
  for (const type of [...notNumbers, 65_536]) {
    refusesArgument(t, () => append(['good', { payload: 'x', type }]), /items\[1\]\.type must be/)
  }
  refusesArgument(t, () => append([{ payload: 'x', kind: 1 }]), /items\[0\] has no field "kind"/)
  refusesArgument(t, () => append(['x'], { kind: 1 }), /no option "kind"/)
  refusesArgument(t, () => append(['x'], { expectedSeq: -1 }), /^expectedSeq/)
  t.is(log.nextSeq, 0)
})

test('the options of reading are refused by name', (t) => {
  const log = fresh(t)
  const calls = {
    read: log.read.bind(log) as (options: unknown) => unknown,
    cursor: log.cursor.bind(log) as (options: unknown) => unknown,
    tail: log.tail.bind(log) as (options: unknown) => unknown,
  }
  for (const [name, call] of Object.entries(calls)) {
    for (const from of [NaN, 0.5, 2 ** 53, 'middle', null, {}, true, -1n, 2n ** 64n, new Date(NaN)]) {
      refusesArgument(t, () => call({ from }), /^from must be/)
    }
    refusesArgument(t, () => call({ form: 1 }), new RegExp(`${name} has no option "form"`))
    refusesArgument(t, () => call(7), new RegExp(`options of ${name}`))
    if (name === 'tail') continue
    for (const to of [-1, NaN, 0.5, 'end', null, -1n, new Date(NaN)])
      refusesArgument(t, () => call({ to }), /^to must be/)
    for (const limit of notNumbers) refusesArgument(t, () => call({ limit }), /^limit must be/)
  }
  refusesArgument(t, () => calls.tail({ signal: {} }), /^signal must be/)
  refusesArgument(t, () => calls.tail({ keepAlive: 1 }), /^keepAlive must be/)
})

test('waits are refused by name', async (t) => {
  const log = fresh(t)
  const acquire = log.acquire.bind(log) as (options: unknown) => void
  const cursor = log.cursor()
  const next = cursor.next.bind(cursor) as (options: unknown) => boolean
  for (const wait of [...notNumbers, 2 ** 31]) {
    refusesArgument(t, () => acquire({ wait }), /^wait must be/)
    refusesArgument(t, () => next({ wait }), /^wait must be/)
  }
  refusesArgument(t, () => acquire({ wait_: 1 }), /no option/)
  refusesArgument(t, () => next({ timeout: 1 }), /no option/)
  await t.throwsAsync(log.durable(-1), { code: 'ERR_CHRONICLE_INVALID_ARGUMENT', message: /^seq must be/ })
  t.is(log.stats().writerPid, undefined)
})

test('the fields of a header and the arguments of a mapped file are refused by name', (t) => {
  const dir = nowhere(t)
  const header = (fields: object) => new MessageHeader(fields)
  for (const name of ['seq', 'length', 'checksum', 'type', 'batchRemaining', 'epoch']) {
    for (const value of notNumbers)
      refusesArgument(t, () => header({ [name]: value }), new RegExp(`^${name} must be`))
  }
  refusesArgument(t, () => header({ type: 65_536 }), /^type/)
  refusesArgument(t, () => header({ length: 2 ** 30 + 1 }), /^length/)
  refusesArgument(t, () => header({ checksum: 2 ** 32 }), /^checksum/)
  refusesArgument(t, () => header({ timestampNs: 1 }), /^timestampNs/)
  refusesArgument(t, () => header({ timestampNs: 2n ** 64n }), /^timestampNs/)
  refusesArgument(t, () => header({ valid: 1 }), /^valid/)
  refusesArgument(t, () => header({ flags: 1 }), /no option "flags"/)
  for (const length of [...notNumbers, 0])
    refusesArgument(t, () => MmapFile.create(dir, length as number), /^length must be/)
  refusesArgument(t, () => MmapFile.create('', 1), /^path must be/)
  t.false(existsSync(dir))
})

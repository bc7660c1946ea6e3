import test from 'ava'

import { Chronicle } from '../index.ts'
import { chronicle, fails, prints } from './helpers/command.ts'
import { snapshot } from './helpers/files.ts'
import { fresh, nowhere } from './helpers/temporary.ts'

const time = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z/g

/** What was printed, with each time as TIME. */
function timeless(text: string): string {
  return text.replaceAll(time, 'TIME')
}

function parseLines(text: string): Record<string, unknown>[] {
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}

/** The first number of each line. */
function seqs(text: string): number[] {
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => Number.parseInt(line, 10))
}

/** A log of ten messages; the type of each is its seq modulo 3. */
function ten(log: Chronicle): string {
  for (let seq = 0; seq < 10; seq++) log.append(`message ${seq}`, { type: seq % 3 })
  return log.path
}

test('info tells what is in a log, and so does info --json', (t) => {
  const log = fresh(t)
  const dir = ten(log)
  log.setReader('billing', 4)
  const text = timeless(prints(t, ['info', dir]))
  t.true(text.includes('messages  10, seq 0 to 9\n'), text)
  t.true(text.includes('first     TIME\n'), text)
  t.true(text.includes(`writer    process ${process.pid}\n`), text)
  t.true(text.includes('reader    billing at 4, 6 to read\n'), text)

  const stats = JSON.parse(prints(t, ['info', dir, '--json'])) as Record<string, unknown>
  t.like(stats, { path: dir, firstSeq: 0, nextSeq: 10, segmentBytes: 65_536, writerPid: process.pid })
  t.deepEqual(stats['readers'], [{ name: 'billing', nextSeq: 4, lag: 6 }])
})

test('info of an empty log has no times', (t) => {
  const log = fresh(t)
  log.acquire()
  const text = prints(t, ['info', log.path])
  t.true(text.includes('messages  none\n'), text)
  t.false(/first|last/.test(text), text)
})

test('cat prints a line for each message', (t) => {
  const log = fresh(t)
  log.append('hello', { type: 7 })
  log.append('')
  log.append('two\nlines\u001B[31m\u202E')
  t.is(
    timeless(prints(t, ['cat', log.path])),
    '0 TIME 7 hello\n1 TIME 0 \n2 TIME 0 two\\nlines\\u001b[31m\\u202e\n',
  )
})

test('cat takes places to begin and to end at, a limit, types and the other direction', (t) => {
  const dir = ten(fresh(t))
  const cat = (...args: string[]) => seqs(prints(t, ['cat', dir, ...args]))
  t.deepEqual(cat('--from', '7'), [7, 8, 9])
  t.deepEqual(cat('--from', '-2'), [8, 9])
  t.deepEqual(cat('--from=-2'), [8, 9])
  t.deepEqual(cat('--from', 'start', '--to', '2'), [0, 1])
  t.deepEqual(cat('--to', '-8'), [0, 1])
  t.deepEqual(cat('--from', 'end'), [])
  t.deepEqual(cat('--to', 'start'), [])
  t.deepEqual(cat('--from', '1h', '--to', 'end').length, 10)
  t.deepEqual(cat('--from', '2999-01-01'), [])
  t.deepEqual(cat('--to', '2001-01-01T00:00+02:00'), [])
  t.deepEqual(cat('--limit', '2'), [0, 1])
  t.deepEqual(cat('-n', '0'), [])
  t.deepEqual(cat('--reverse', '--limit', '2'), [9, 8])
  t.deepEqual(cat('--reverse', '--from', '2', '--to', '4'), [3, 2])
  t.deepEqual(cat('--type', '1'), [1, 4, 7])
  t.deepEqual(cat('--type', '1,2', '-n', '3'), [1, 2, 4])
  t.deepEqual(cat('--type', '0', '-r', '-n', '1'), [9])
  t.deepEqual(cat('--type', '9'), [])
  t.deepEqual(cat('--durable-only', '--from', '42'), [])
})

test('a time that was printed can be typed, to the nanosecond', (t) => {
  const dir = ten(fresh(t))
  for (const { seq, time } of parseLines(prints(t, ['cat', dir, '--format', 'ndjson']))) {
    const found = parseLines(prints(t, ['cat', dir, '--from', String(time), '-n', '1', '--format', 'ndjson']))
    t.is(found[0]?.['time'], time)
    t.true(Number(found[0]?.['seq']) <= Number(seq))
    t.is(prints(t, ['seek', dir, '--time', String(time)]), `${String(found[0]?.['seq'])}\n`)
  }
})

test('cat prints JSON, whose payload is text or base64', (t) => {
  const log = fresh(t)
  log.append('{"a":1}', { type: 7 })
  log.append(Uint8Array.of(0xff, 0))
  log.appendBatch(['\uFEFFa', ''])
  const expected = [
    { time: 'TIME', seq: 0, type: 7, text: '{"a":1}' },
    { time: 'TIME', seq: 1, type: 0, base64: '/wA=' },
    { time: 'TIME', seq: 2, type: 0, batchRemaining: 1, text: '\uFEFFa' },
    { time: 'TIME', seq: 3, type: 0, text: '' },
  ]
  const withoutTime = (record: Record<string, unknown>) => ({ ...record, time: 'TIME' })
  const lines = parseLines(prints(t, ['cat', log.path, '--format', 'ndjson']))
  t.deepEqual(lines.map(withoutTime), expected)
  const array = JSON.parse(prints(t, ['cat', log.path, '--format', 'json'])) as Record<string, unknown>[]
  t.deepEqual(array.map(withoutTime), expected)
  t.is(prints(t, ['cat', log.path, '--format', 'json', '--from', 'end']), '[]\n')
})

test('cat prints bytes in hexadecimal', (t) => {
  const log = fresh(t)
  log.append('sixteen letters.')
  log.append(Uint8Array.of(0, 0xff, 0x41, ...Buffer.from('and fourteen..')))
  log.append('')
  const expected = [
    '0 TIME 0 16 bytes',
    '00000000  73 69 78 74 65 65 6e 20 6c 65 74 74 65 72 73 2e  |sixteen letters.|',
    '1 TIME 0 17 bytes',
    '00000000  00 ff 41 61 6e 64 20 66 6f 75 72 74 65 65 6e 2e  |..Aand fourteen.|',
    '00000010  2e                                               |.|',
    '2 TIME 0 0 bytes',
    '',
  ]
  t.is(timeless(prints(t, ['cat', log.path, '--format', 'hex'])), expected.join('\n'))
})

test('cat prints the bytes alone', (t) => {
  const log = fresh(t)
  const bytes = Uint8Array.from({ length: 256 }, (_, index) => index)
  log.append(bytes)
  log.append('x')
  const { bytes: one } = chronicle(['cat', log.path, '--format', 'raw', '--no-newline', '-n', '1'])
  t.deepEqual(one, Buffer.from(bytes))
  t.deepEqual(chronicle(['cat', log.path, '--format', 'raw']).bytes, Buffer.from([...bytes, 10, 120, 10]))
})

test('cat prints every message of a log of many segments', (t) => {
  const log = fresh(t)
  const count = 20_000
  for (let seq = 0; seq < count; seq++) log.append(`payload ${seq}`)
  log.append('y'.repeat(300_000))
  const text = prints(t, ['cat', log.path, '--format', 'raw'])
  t.is(
    text,
    `${Array.from({ length: count }, (_, seq) => `payload ${seq}\n`).join('')}${'y'.repeat(300_000)}\n`,
  )
})

test('head prints the seq of the next message', (t) => {
  const log = fresh(t, { segmentBytes: 65_536, sync: 'none' })
  const dir = ten(log)
  t.is(prints(t, ['head', dir]), '10\n')
  t.is(prints(t, ['head', dir, '--durable']), `${log.durableSeq}\n`)
  t.deepEqual(JSON.parse(prints(t, ['head', dir, '--json'])), {
    firstSeq: 0,
    nextSeq: 10,
    durableSeq: log.durableSeq,
  })
})

test('count counts all, a range and types', (t) => {
  const dir = ten(fresh(t))
  const count = (...args: string[]) => Number(prints(t, ['count', dir, ...args]))
  t.is(count(), 10)
  t.is(count('--from', '3', '--to', '7'), 4)
  t.is(count('--from', '7', '--to', '3'), 0)
  t.is(count('--from', '-3'), 3)
  t.is(count('--from', '100'), 0)
  t.is(count('--to', '100'), 10)
  t.is(count('--type', '0'), 4)
  t.is(count('--type', '0,1', '--from', '1', '--to', '-1'), 5)
})

test('seek finds the first message of a time, and says so where there is none', (t) => {
  const dir = ten(fresh(t))
  t.is(prints(t, ['seek', dir, '--time', '2020-01-31 12:00']), '0\n')
  t.is(prints(t, ['seek', dir, '--time', '1d']), '0\n')
  fails(
    t,
    ['seek', dir, '--time', '2500-01-01'],
    1,
    /no message is as late as 2500-01-01T00:00:00\.000000000Z/,
  )
  fails(t, ['seek', dir], 2, /--time is missing/)
})

test('readers are listed', (t) => {
  const log = fresh(t)
  const dir = ten(log)
  t.is(prints(t, ['readers', dir]), 'no named reader\n')
  t.is(prints(t, ['readers', dir, '--json']), '[]\n')
  log.setReader('a', 10)
  log.setReader('billing', 3)
  t.is(
    prints(t, ['readers', dir]),
    'reader   next seq  to read  process\na              10        0\nbilling         3        7\n',
  )
  t.deepEqual(JSON.parse(prints(t, ['readers', dir, '--json'])), log.readers())
})

const reading = [
  ['info'],
  ['cat'],
  ['tail', '--no-follow', '--from', 'start'],
  ['head'],
  ['count', '--type', '1'],
  ['seek', '--time', '1h'],
  ['readers'],
  ['prune', '--keep-messages', '1', '--dry-run'],
  ['verify'],
  ['export'],
  ['top', '--once', '--interval', '10ms'],
] as const

test('commands that read write nothing, and create nothing', (t) => {
  const dir = nowhere(t)
  const log = Chronicle.open(dir, { segmentBytes: 65_536 })
  ten(log)
  log.close()
  const before = snapshot(dir)
  for (const [name, ...options] of reading) {
    prints(t, [name, dir, ...options])
    t.deepEqual(snapshot(dir), before, name)
    const missing = `${dir}-missing`
    fails(t, [name, missing, ...options], 1, /ERR_CHRONICLE_NOT_FOUND/)
    t.throws(() => snapshot(missing), { code: 'ENOENT' }, name)
  }
})

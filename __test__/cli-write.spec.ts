import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import test from 'ava'

import { Chronicle, type Payload } from '../index.ts'
import { chronicle, fails, prints } from './helpers/command.ts'
import { bases } from './helpers/files.ts'
import { folder, fresh, nowhere, opened } from './helpers/temporary.ts'

/** Everything of the messages that a copy must have, but their times. */
function contents(dir: string): { seq: number; type: number; batchRemaining: number; payload: string }[] {
  const log = Chronicle.open(dir, { readOnly: true })
  const messages = [...log.read()].map(({ seq, type, batchRemaining, payload }) => ({
    seq,
    type,
    batchRemaining,
    payload: Buffer.from(payload).toString('hex'),
  }))
  log.close()
  return messages
}

function texts(dir: string): string[] {
  return contents(dir).map(({ payload }) => Buffer.from(payload, 'hex').toString())
}

test('append makes a message of each line, as it is', (t) => {
  const dir = nowhere(t)
  t.is(prints(t, ['append', dir, '--type', '65535'], { input: 'one\n\n  two\r\nümlaut\nlast' }), '')
  t.deepEqual(texts(dir), ['one', '', '  two\r', 'ümlaut', 'last'])
  t.true(contents(dir).every(({ type }) => type === 65_535))
  prints(t, ['append', dir, '--sync', 'always'], { input: Uint8Array.of(0, 0xff, 10) })
  t.is(contents(dir).at(-1)?.payload, '00ff')
  prints(t, ['append', dir, '--sync', 'none'])
  prints(t, ['append', dir, '--sync', '10ms'], { input: '\n' })
  t.is(contents(dir).length, 7)
})

test('append takes lines longer than any buffer', (t) => {
  const dir = nowhere(t)
  const long = Array.from({ length: 3 }, (_, index) => String(index).repeat(300_000 + index))
  prints(t, ['append', dir, '--segment-bytes', '64k'], { input: `${long.join('\n')}\n` })
  t.deepEqual(texts(dir), long)
  t.is(bases(dir).length > 1, true)
})

test('append --batch appends so many at a time, and the rest', (t) => {
  const dir = nowhere(t)
  prints(t, ['append', dir, '--batch', '3', '--type', '4'], { input: 'a\nb\nc\nd\ne\n' })
  t.deepEqual(
    contents(dir).map(({ batchRemaining, type }) => [batchRemaining, type]),
    [
      [2, 4],
      [1, 4],
      [0, 4],
      [1, 4],
      [0, 4],
    ],
  )
})

test('append --json ends at the first line that is not JSON, and says where to go on', (t) => {
  const dir = nowhere(t)
  const input = '{"a":1}\n[]\n7\n{"a":\n{}\n'
  fails(t, ['append', dir, '--json'], 1, /line 4 is not JSON.*\n.*3 messages.*line 4/, { input })
  t.deepEqual(texts(dir), ['{"a":1}', '[]', '7'])
  fails(t, ['append', dir, '--json', '--batch', '2'], 1, /line 4 is not JSON.*\n.*2 messages.*line 3/, {
    input,
  })
  fails(t, ['append', dir, '--json'], 1, /line 1 is not JSON: it is not UTF-8/, {
    input: Uint8Array.of(34, 0xff, 34),
  })
})

test('append refuses where it must not create, and while another process writes', (t) => {
  fails(t, ['append', nowhere(t), '--no-create'], 1, /ERR_CHRONICLE_NOT_FOUND/, { input: 'x' })
  const log = fresh(t)
  log.acquire()
  const { stderr } = fails(t, ['append', log.path, '--wait', '20ms'], 1, /ERR_CHRONICLE_LOCKED/, {
    input: 'x',
  })
  t.true(stderr.includes(String(process.pid)), stderr)
  t.true(stderr.includes('--wait 10s'), stderr)
})

test('append shows what it did on a terminal alone', (t) => {
  const { stdout, stderr } = chronicle(['append', nowhere(t)], { input: 'a\nb\n', terminal: true })
  t.is(stdout, '')
  t.regex(stderr, /appended 2 messages, 2 bytes in \d+\.\d s \([\d,]+\/s\), seq 0 to 1\n$/)
})

test('readers are set and removed', (t) => {
  const log = fresh(t)
  log.appendBatch(['a', 'b', 'c'])
  const at = (...args: string[]) => {
    t.is(prints(t, ['readers', log.path, 'set', 'billing', ...args]), '')
    return log.readers()
  }
  t.deepEqual(at('1'), [{ name: 'billing', nextSeq: 1, lag: 2 }])
  t.deepEqual(at('end'), [{ name: 'billing', nextSeq: 3, lag: 0 }])
  t.deepEqual(at('-2'), [{ name: 'billing', nextSeq: 1, lag: 2 }])
  t.deepEqual(at('-20'), [{ name: 'billing', nextSeq: 0, lag: 3 }])
  t.deepEqual(at('1h'), [{ name: 'billing', nextSeq: 0, lag: 3 }])
  fails(t, ['readers', log.path, 'set', 'billing', '9'], 2, /ERR_CHRONICLE_INVALID_ARGUMENT/)
  fails(t, ['readers', log.path, 'set', '../x', '0'], 2, /ERR_CHRONICLE_INVALID_ARGUMENT/)
  fails(t, ['readers', log.path, 'set', 'billing'], 2, /set must have a PLACE/)
  fails(t, ['readers', log.path, 'set'], 2, /NAME of the reader to set is missing/)
  fails(t, ['readers', log.path, 'remove', 'billing', '1'], 2, /argument too many/)
  fails(t, ['readers', log.path, 'rename', 'billing'], 2, /knows remove and set, got "rename"/)
  t.is(prints(t, ['readers', log.path, 'remove', 'billing']), '')
  t.deepEqual(log.readers(), [])
  fails(t, ['readers', log.path, 'remove', 'billing'], 1, /ERR_CHRONICLE_NOT_FOUND/)
})

test('prune removes what no limit keeps, and a dry run removes nothing', (t) => {
  const log = fresh(t)
  for (let seq = 0; seq < 3000; seq++) log.append('x'.repeat(200))
  const before = bases(log.path)
  t.true(before.length > 4)
  const dry = prints(t, ['prune', log.path, '--keep-messages', '1', '--dry-run'])
  t.regex(dry, /^would remove \d+ segments, [\d.]+ [KM]iB; the first seq would be \d+\n$/)
  t.deepEqual(bases(log.path), before)

  const none = prints(t, ['prune', log.path, '--keep-bytes', '10g', '--keep-time', '1d', '--json'])
  t.like(JSON.parse(none), { segments: 0, firstSeq: 0 })
  log.setReader('slow', before[1]!)
  t.like(JSON.parse(prints(t, ['prune', log.path, '--keep-unread', '--json'])), {
    segments: 1,
    firstSeq: before[1],
  })
  t.like(JSON.parse(prints(t, ['prune', log.path, '--keep-bytes', '1k', '--json'])), { segments: 0 })
  t.regex(prints(t, ['prune', log.path, '--keep-bytes', '1k', '--drop-unread']), /^removed \d+ segments?, /)
  t.is(bases(log.path).length, 1)

  fails(t, ['prune', log.path], 2, /a limit is missing/)
  fails(t, ['prune', log.path, '--keep-unread', '--drop-unread'], 2, /exclude each other/)
})

test('cat from a place that was pruned says where to go on', (t) => {
  const log = fresh(t)
  for (let seq = 0; seq < 3000; seq++) log.append('x'.repeat(200))
  const { firstSeq } = log.prune({ keepMessages: 1 })
  fails(t, ['cat', log.path, '--from', '0'], 1, new RegExp(`ERR_CHRONICLE_GAP[^]*--from ${firstSeq}`))
  t.is(prints(t, ['count', log.path]), `${3000 - firstSeq}\n`)
})

const payloads: Payload[] = [
  '',
  'text',
  'two\nlines \u0000 \u2028 "quoted" \\ ünïcödé 🙂 \uFEFF',
  '\uFEFFbyte order mark',
  Uint8Array.of(0xff, 0xfe, 0),
  Uint8Array.of(0xed, 0xa0, 0x80),
  Uint8Array.from({ length: 256 }, (_, index) => index),
  'z'.repeat(200_000),
]

test('export and import make an exact copy: payloads, types, batches', (t) => {
  const log = fresh(t)
  for (const [type, payload] of payloads.entries()) log.append(payload, { type })
  log.appendBatch(payloads.map((payload, index) => ({ payload, type: 65_535 - index })))
  log.appendBatch(['one'])
  log.append('last')
  const exported = prints(t, ['export', log.path])
  const copy = nowhere(t)
  t.is(prints(t, ['import', copy, '--same-seq'], { input: exported }), '')
  t.deepEqual(contents(copy), contents(log.path))
  const withoutTimes = (text: string) => text.replaceAll(/"time":"[^"]+"/g, '')
  t.is(withoutTimes(prints(t, ['export', copy])), withoutTimes(exported))

  const file = join(folder(t), 'export.ndjson')
  writeFileSync(file, exported)
  const other = nowhere(t)
  prints(t, ['import', other, file, '--segment-bytes', '64k', '--sync', 'none'])
  t.deepEqual(contents(other), contents(log.path))
  t.is(prints(t, ['cat', log.path, '--format', 'ndjson']), readFileSync(file, 'utf8'))
})

test('a range of an export is whole in itself, though it cuts batches', (t) => {
  const log = fresh(t)
  log.appendBatch(['a', 'b', 'c', 'd', 'e'])
  const copy = nowhere(t)
  prints(t, ['import', copy], { input: prints(t, ['export', log.path, '--from', '1', '--to', '-1']) })
  t.deepEqual(
    contents(copy).map(({ batchRemaining }) => batchRemaining),
    [2, 1, 0],
  )
  t.deepEqual(texts(copy), ['b', 'c', 'd'])
})

test('import refuses by line what it does not understand, and appends no part of a batch', (t) => {
  const bad: [string, RegExp][] = [
    ['{"text":', /line 2 is not JSON/],
    ['7', /line 2 is not a JSON object/],
    ['{"type":1}', /line 2 must have text or base64/],
    ['{"text":"a","base64":"YQ=="}', /line 2 must have text or base64, one of them/],
    ['{"text":7}', /line 2: text must be a string/],
    ['{"text":"\\ud800"}', /line 2: text holds half of a character/],
    ['{"base64":"Y!"}', /line 2: base64 must be padded base64/],
    ['{"text":"a","type":65536}', /line 2: type must be a whole number from 0 to 65535/],
    ['{"text":"a","batchRemaining":-1}', /line 2: batchRemaining must be/],
    ['{"text":"a","batchRemaining":2}\n{"text":"b"}', /line 3: batchRemaining must be 1 here, got 0/],
    ['{"text":"a","batchRemaining":2}\n{"text":"b","batchRemaining":1}', /within a batch: 1 messages? of it/],
  ]
  for (const [line, says] of bad) {
    const dir = nowhere(t)
    const { stderr } = fails(t, ['import', dir], 1, says, { input: `{"text":"good"}\n${line}\n` })
    t.regex(stderr, /Appended so far: 1 message\. Go on with line 2\./)
    t.deepEqual(texts(dir), ['good'])
  }
})

test('import --same-seq appends only what gets its old seq', (t) => {
  const dir = nowhere(t)
  const line = (seq: number) => `{"seq":${seq},"text":"${seq}"}\n`
  prints(t, ['import', dir, '--same-seq'], { input: line(0) + line(1) })
  fails(t, ['import', dir, '--same-seq'], 1, /line 1 has seq 1, and would get 2/, { input: line(1) })
  fails(t, ['import', dir, '--same-seq'], 1, /line 1 has no seq/, { input: '{"text":"a"}\n' })
  prints(t, ['import', dir], { input: line(1) })
  t.deepEqual(texts(dir), ['0', '1', '1'])
})

test('import of a file that is not there makes no chronicle', (t) => {
  const dir = nowhere(t)
  fails(t, ['import', dir, `${dir}.ndjson`], 1, /ENOENT.*ndjson/)
  fails(t, ['import', dir, '--no-create'], 1, /ERR_CHRONICLE_NOT_FOUND/)
})

test('bench measures in a directory that it removes', (t) => {
  const parent = folder(t)
  const text = prints(t, ['bench', parent, '--messages', '1000', '--size', '1k'])
  t.regex(
    text,
    /^1,000 messages of 1\.0 KiB\nappend .*\nflush .*\nappend, 256 a batch .*\nflush .*\nread by cursor .*\n$/,
  )
  const json = JSON.parse(prints(t, ['bench', parent, '-n', '10', '--sync', 'none', '--json'])) as object
  t.like(json, { messages: 10, size: 64 })
  t.deepEqual(bases(parent), [])
  t.throws(() => opened(t, parent, { create: false }), { code: 'ERR_CHRONICLE_NOT_FOUND' })
})

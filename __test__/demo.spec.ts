/** The demo, run as its user runs it, and the parts of it that are hard to bring about from outside. */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import test, { type ExecutionContext } from 'ava'

import { RowSum, readRows, withoutRows } from '../demo/rows.ts'
import { differences } from '../demo/verdict.ts'
import { overwrite } from './helpers/files.ts'
import { root } from './helpers/repository.ts'
import { folder } from './helpers/temporary.ts'

interface Ending {
  code: number | null
  output: string
  notes: string
}

/** A running demo whose temporary files are in `dir`. */
function start(t: ExecutionContext, dir: string, args: readonly string[]) {
  const temporary = join(dir, 'temporary')
  mkdirSync(temporary)
  const env = { ...process.env, TMPDIR: temporary, TEMP: temporary, TMP: temporary, NO_COLOR: '1' }
  const main = join(root, 'demo/main.ts')
  const demo = spawn(process.execPath, ['--import', 'tsx', main, ...args], {
    cwd: root,
    env,
  })
  t.teardown(() => demo.kill('SIGKILL'))
  const texts = { output: '', notes: '' }
  demo.stdout.setEncoding('utf8').on('data', (text: string) => (texts.output += text))
  demo.stderr.setEncoding('utf8').on('data', (text: string) => (texts.notes += text))
  const ended = once(demo, 'close').then(([code]): Ending => {
    // The loader of TypeScript keeps a folder of its own there.
    const left = readdirSync(temporary).filter((name) => name.startsWith('chronicle-'))
    t.deepEqual(left, [], 'temporary files are left')
    return { code, ...texts }
  })
  return { demo, ended, texts }
}

async function run(t: ExecutionContext, args: readonly string[], input?: Uint8Array): Promise<Ending> {
  const { demo, ended } = start(t, folder(t), args)
  // Where the demo refuses its arguments it does not read.
  demo.stdin.on('error', () => undefined)
  demo.stdin.end(input)
  return ended
}

function written(t: ExecutionContext, bytes: Uint8Array): string {
  const path = join(folder(t), 'rows.txt')
  writeFileSync(path, bytes)
  return path
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** Expects everybody to have read these bytes, which end with a newline. */
function agrees(t: ExecutionContext, ending: Ending, rows: number, bytes: Uint8Array): void {
  const { code, output, notes } = ending
  t.is(code, 0, notes)
  const lines = output.split('\n')
  const sum = sha256(bytes)
  t.true(lines.filter((line) => line.includes(sum)).length >= 3, output)
  for (const reader of ['followed live', 'read after reopening', 'followed late']) {
    t.regex(lines.find((line) => line.startsWith(reader)) ?? '', /[0-9a-f]{64} {2}agrees$/, output)
  }
  t.regex(output, new RegExp(`^rows +${rows.toLocaleString('en-US')}$`, 'm'))
  t.regex(output, /^kills survived +3 of the recorder, 2 of followers$/m)
  t.regex(output, /^All sums agree\.$/m)
}

const odd = Buffer.from('one\r\n\xff\xfe\0 not text\n\n\nlast, without a newline', 'latin1')

test.serial('every line of a file is recorded, followed and read again', async (t) => {
  const text = Array.from({ length: 5000 }, (_, index) => `${index},${'x'.repeat(index % 300)}\n`).join('')
  const path = written(t, Buffer.from(text))
  agrees(t, await run(t, [path]), 5000, Buffer.from(text))
})

test.serial('without an argument it is a data set of at least 100,000 rows', async (t) => {
  const { code, output, notes } = await run(t, [])
  t.is(code, 0, notes)
  const [, rows = ''] = /^rows +([\d,]+)$/m.exec(output) ?? []
  t.true(Number(rows.replaceAll(',', '')) >= 100_000, output)
  t.is(output.match(/[0-9a-f]{64} {2}agrees$/gm)?.length, 3, output)
  t.regex(output, /^All sums agree\.$/m)
})

test.serial('standard input is taken byte by byte', async (t) => {
  agrees(t, await run(t, ['-'], odd), 5, Buffer.concat([odd, Buffer.from('\n')]))
})

test.serial('an empty file has no rows, which agree', async (t) => {
  agrees(t, await run(t, [written(t, Buffer.alloc(0))]), 0, Buffer.alloc(0))
})

test.serial('a missing file and wrong arguments are refused in a word', async (t) => {
  const missing = join(folder(t), 'missing.txt')
  const refused = await run(t, [missing])
  t.deepEqual(refused, {
    code: 2,
    output: '',
    notes: `demo: cannot read ${missing}: no such file or directory\n`,
  })
  const { code, notes } = await run(t, ['a', 'b'])
  t.is(code, 2)
  t.regex(notes, /^usage: /)
})

test.serial('a row that changes between its reading and its recording is found', async (t) => {
  const path = written(t, Buffer.from('row\n'.repeat(3000)))
  const { demo, ended, texts } = start(t, folder(t), [path])
  demo.stdin.end()
  // The last row is appended by the last recorder alone, which starts after the first was killed.
  while (!texts.notes.includes('the recorder is killed')) await once(demo.stderr, 'data')
  overwrite(path, 4 * 2999, Buffer.from('new'))
  const { code, output } = await ended
  t.is(code, 1)
  for (const reader of ['followed live', 'read after reopening', 'followed late']) {
    t.regex(output, new RegExp(`^${reader} +[0-9a-f]{64}  DIFFERS$`, 'm'))
    t.regex(output, new RegExp(`^What was ${reader} differs from `, 'm'))
  }
  t.notRegex(output, /All sums agree/)
})

const onUnix = process.platform === 'win32' ? test.skip : test.serial

onUnix('a signal ends the demo and takes its files away', async (t) => {
  const path = written(t, Buffer.from('row\n'.repeat(3000)))
  const { demo, ended, texts } = start(t, folder(t), [path])
  while (!texts.notes.includes('the recorder is killed')) await once(demo.stderr, 'data')
  demo.kill('SIGINT')
  const { code, output } = await ended
  t.is(code, 130)
  t.is(output, '')
})

test('each reader that differs is named, by its sum or its count', (t) => {
  const [a, b] = ['a'.repeat(64), 'b'.repeat(64)]
  const expected = { of: 'the file', rows: 2, sha256: a }
  const of = (name: string, rows: number, sha256: string) => ({ of: name, rows, sha256 })
  t.deepEqual(differences([{ expected, read: [of('followed live', 2, a)] }]), [])
  const read = [of('followed live', 2, b), of('read again', 2, a), of('followed late', 1, a)]
  const found = differences([{ expected, read }])
  t.is(found.length, 2)
  t.regex(found[0]!, /followed live differs from the file: as many rows, SHA-256 b+ for a+/)
  t.regex(found[1]!, /followed late differs from the file: 1 rows for 2/)
})

test('rows are cut at newlines alone, wherever chunks are', async (t) => {
  const rows = [...readRows(written(t, odd))].map((row) => Buffer.from(row).toString('latin1'))
  t.deepEqual(rows, ['one\r', '\xff\xfe\0 not text', '', '', 'last, without a newline'])
  t.deepEqual(
    [...readRows(written(t, Buffer.from('a\nb\n')))].map((row) => Buffer.from(row).toString()),
    ['a', 'b'],
  )
  const long = Buffer.concat([Buffer.alloc(600_000, 'x'), Buffer.from('\ny\n')])
  t.deepEqual(
    [...readRows(written(t, long))].map((row) => row.length),
    [600_000, 1],
  )
  for (let size = 1; size <= odd.length; size++) {
    const chunks = Array.from({ length: Math.ceil(odd.length / size) }, (_, index) =>
      odd.subarray(index * size, (index + 1) * size),
    )
    const sum = new RowSum()
    for (const chunk of chunks) sum.add(chunk)
    t.is(sum.end(), sha256(Buffer.concat([odd, Buffer.from('\n')])))
    t.is(sum.rows, 5)
    const rest = new RowSum()
    for await (const chunk of withoutRows(3, stream(chunks))) rest.add(chunk)
    t.is(rest.end(), sha256(Buffer.from('\nlast, without a newline\n')))
  }
})

async function* stream(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array, void> {
  yield* chunks
}

test('a row that was cut off counts once, when it comes again', (t) => {
  const sum = new RowSum()
  sum.add(Buffer.from('whole\ncut o'))
  sum.drop()
  t.is(sum.rows, 1)
  sum.add(Buffer.from('cut off\n'))
  t.is(sum.end(), sha256(Buffer.from('whole\ncut off\n')))
})

test('a row of more than 1 GiB is refused by its number', (t) => {
  const sum = new RowSum()
  sum.add(Buffer.from('short\n'))
  const chunk = new Uint8Array(2 ** 20)
  for (let index = 0; index < 1024; index++) sum.add(chunk)
  t.throws(() => sum.add(Uint8Array.of(1)), { instanceOf: RangeError, message: 'row 2 is longer than 1 GiB' })
})

import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { Writable } from 'node:stream'

import test from 'ava'

import { ClosedPipe, Output } from '../cli/output.ts'
import { Live, chronicle, fails, main, prints } from './helpers/command.ts'
import { fresh } from './helpers/temporary.ts'

/** Payloads of lines in the format text. */
function payloads(lines: readonly string[]): string[] {
  return lines.map((line) => line.split(' ').slice(3).join(' '))
}

test('tail follows what is appended, and a signal ends it as signals do', async (t) => {
  const log = fresh(t)
  log.appendBatch(['a', 'b'])
  const tail = new Live(t, ['tail', '-f', log.path, '--from', '-1'])
  t.deepEqual(payloads(await tail.lines(1)), ['b'])
  log.append('c')
  t.deepEqual(payloads(await tail.lines(2)), ['b', 'c'])
  tail.child.kill('SIGTERM')
  t.deepEqual(await tail.end(), { code: null, signal: 'SIGTERM' })
  t.is(tail.stderr, '')
})

test('tail ends behind a number of messages, of the types that it prints', async (t) => {
  const log = fresh(t)
  const tail = new Live(t, ['tail', log.path, '--from', 'start', '--type', '1', '-n', '2', '--format', 'raw'])
  for (let seq = 0; seq < 10; seq++) log.append(String(seq), { type: seq % 4 })
  t.deepEqual(await tail.end(), { code: 0, signal: null })
  t.is(tail.stdout, '1\n5\n')
})

test('tail --no-follow ends at the end', (t) => {
  const log = fresh(t)
  log.appendBatch(['a', 'b', 'c'])
  const tail = (...args: string[]) => prints(t, ['tail', log.path, '--no-follow', '--format', 'raw', ...args])
  t.is(tail(), '')
  t.is(tail('--from', '1'), 'b\nc\n')
  t.is(tail('--from', 'start', '--type', '9'), '')
  t.is(tail('--from', '1h', '-n', '1'), 'a\n')
  t.is(tail('-n', '0', '--from', 'start'), '')
  t.is((JSON.parse(tail('--from', 'start', '--format', 'json')) as object[]).length, 3)
})

test('tail --name goes on behind what --commit has committed', (t) => {
  const log = fresh(t)
  log.appendBatch(['a', 'b', 'c', 'd'])
  const tail = (...args: string[]) =>
    prints(t, ['tail', log.path, '--no-follow', '--format', 'raw', '--name', 'billing', ...args])
  t.is(tail(), 'a\nb\nc\nd\n')
  t.deepEqual(log.readers(), [{ name: 'billing', nextSeq: 0, lag: 4 }])
  t.is(tail('--commit', '-n', '2'), 'a\nb\n')
  t.is(tail('--commit', '-n', '0'), '')
  t.is(tail('--commit'), 'c\nd\n')
  t.is(tail('--commit'), '')
  t.deepEqual(log.readers(), [{ name: 'billing', nextSeq: 4, lag: 0 }])
  const late = ['tail', log.path, '--no-follow', '--format', 'raw', '--name', 'late', '--new-from', '-1']
  t.is(prints(t, late), 'd\n')
})

test('a tail that is told to end has committed what it printed', async (t) => {
  const log = fresh(t)
  log.append('a')
  const tail = new Live(t, ['tail', log.path, '--name', 'billing', '--commit'])
  await tail.lines(1)
  fails(t, ['readers', log.path, 'remove', 'billing'], 1, /ERR_CHRONICLE_LOCKED/)
  tail.child.kill('SIGINT')
  t.deepEqual(await tail.end(), { code: null, signal: 'SIGINT' })
  t.deepEqual(log.readers(), [{ name: 'billing', nextSeq: 1, lag: 0 }])
})

test('a named tail that nobody reads any more has committed nothing that was not read', async (t) => {
  const log = fresh(t)
  const tail = new Live(t, ['tail', log.path, '--name', 'billing', '--commit'])
  log.append('a')
  await tail.lines(1)
  tail.child.stdout.destroy()
  await once(tail.child.stdout, 'close')
  log.append('b')
  t.deepEqual(await tail.end(), { code: 0, signal: null })
  t.is(log.readers()[0]?.nextSeq, 1)
  t.is(tail.stderr, '')
})

test('tail --durable-only prints what is flushed', async (t) => {
  const log = fresh(t, { segmentBytes: 65_536, sync: 'none' })
  log.append('a')
  const durable = await log.sync()
  log.append('b')
  const tail = (...args: string[]) => prints(t, ['tail', log.path, '--no-follow', '--from', 'start', ...args])
  t.is(tail('--durable-only').split('\n').length - 1, durable)
  t.is(tail().split('\n').length - 1, 2)
})

test('tail refuses options that do not go together', (t) => {
  const { path } = fresh(t)
  fails(t, ['tail', path, '--commit'], 2, /--commit needs --name/)
  fails(t, ['tail', path, '--new-from', '1'], 2, /--new-from needs --name/)
  fails(t, ['tail', path, '--name', 'a', '--from', '1'], 2, /--from and --name exclude each other/)
  fails(t, ['tail', path, '-f', '--no-follow'], 2, /--follow and --no-follow exclude each other/)
  fails(t, ['tail', path, '--name', '../a', '--no-follow'], 2, /ERR_CHRONICLE_INVALID_ARGUMENT/)
})

test('top --once shows one look', (t) => {
  const log = fresh(t)
  log.appendBatch(['a', 'b', 'c'])
  log.setReader('billing', 1)
  const text = prints(t, ['top', log.path, '--once', '--interval', '10ms'])
  t.regex(text, /^rate {6}0\/s$/m)
  t.regex(text, /^head {6}3$/m)
  t.regex(text, /^durable {3}\d/m)
  t.regex(text, /^segments {2}1 file, /m)
  t.regex(text, new RegExp(`^writer {4}process ${process.pid}$`, 'm'))
  t.regex(text, /^reader {3}next seq {2}to read {2}rate {2}process\nbilling {9}1 {8}2 {3}0\/s$/m)
})

test('top goes on until it is told to end', async (t) => {
  const log = fresh(t)
  log.append('a')
  const top = new Live(t, ['top', log.path, '--interval', '20ms'])
  await top.lines(20)
  top.child.kill('SIGINT')
  t.deepEqual(await top.end(), { code: null, signal: 'SIGINT' })
  t.true((top.stdout.match(/^head {6}1$/gm) ?? []).length >= 2)
})

test('top --interval must be a duration', (t) => {
  fails(t, ['top', 'x', '--interval', '5'], 2, /--interval must be a duration/)
  fails(t, ['top', 'x', '--interval', '1ms'], 2, /--interval must be from 10 to/)
})

test('a command whose output is closed ends silently and well', async (t) => {
  const log = fresh(t, {})
  log.appendBatch(Array.from({ length: 20_000 }, (_, seq) => `a message of some length, ${seq}`))
  for (const command of [['cat'], ['export'], ['cat', '--format', 'raw'], ['cat', '--format', 'json']]) {
    const live = new Live(t, [...command, log.path])
    await live.lines(1)
    live.child.stdout.destroy()
    t.deepEqual(await live.end(), { code: 0, signal: null }, command.join(' '))
    t.is(live.stderr, '')
  }
})

const withBash = process.platform === 'win32' ? test.skip : test

withBash('in a pipe the rest is not waited for', (t) => {
  const log = fresh(t, {})
  log.appendBatch(Array.from({ length: 20_000 }, (_, seq) => `a message of some length, ${seq}`))
  const script = '"$0" "$1" cat "$2" --format raw | head -n 1; exit ${PIPESTATUS[0]}'
  const ended = spawnSync('bash', ['-c', script, process.execPath, main, log.path], { encoding: 'utf8' })
  t.deepEqual([ended.status, ended.stdout, ended.stderr], [0, 'a message of some length, 0\n', ''])
})

test('output holds no more than a piece while the stream is slow', async (t) => {
  const waiting: (() => void)[] = []
  let written = 0
  const slow = new Writable({
    write(chunk: Buffer, _encoding, callback) {
      written += chunk.length
      waiting.push(callback)
    },
  })
  const out = new Output(slow)
  t.false(out.text('x'.repeat(1000)))
  t.false(out.bytes(Buffer.from('bytes')))
  t.true(out.text('x'.repeat(70_000)))
  let flushed = false
  const flush = out.flush().then(() => (flushed = true))
  await new Promise(setImmediate)
  t.deepEqual([written, flushed, waiting.length], [71_005, false, 1])
  waiting[0]!()
  await flush
  t.true(flushed)
  await out.flush()
  t.is(written, 71_005)
})

test('output tells a closed pipe from other failures', async (t) => {
  const failing = (code: string) =>
    new Output(
      new Writable({
        write: (_chunk, _encoding, callback) => callback(Object.assign(new Error(code), { code })),
      }),
    )
  const closed = failing('EPIPE')
  closed.text('x')
  await t.throwsAsync(closed.flush(), { instanceOf: ClosedPipe })
  const full = failing('ENOSPC')
  full.text('x')
  await t.throwsAsync(full.flush(), { message: 'ENOSPC' })
})

const withFull = process.platform === 'linux' ? test : test.skip

withFull('output that cannot be written is a failure', (t) => {
  const log = fresh(t)
  log.append('a')
  const script = '"$0" "$1" cat "$2" > /dev/full'
  const ended = spawnSync('bash', ['-c', script, process.execPath, main, log.path], { encoding: 'utf8' })
  t.is(ended.status, 1)
  t.regex(ended.stderr, /ENOSPC/)
})

test('progress and waiting are for terminals', (t) => {
  const log = fresh(t)
  log.append('a')
  const { stdout, stderr } = chronicle(['export', log.path], { terminal: true })
  t.true(stdout.endsWith('"text":"a"}\n'))
  t.regex(stderr, /exported 1 message, 1 byte in /)
  t.is(chronicle(['export', log.path]).stderr, '')
  const verified = chronicle(['verify', log.path], { terminal: true })
  t.regex(verified.stderr, /verifying \[#{30}\] 100 % of 64\.0 KiB/)
  t.true(verified.stderr.endsWith('\r\u001B[K'))
  t.is(chronicle(['verify', log.path]).stderr, '')
})

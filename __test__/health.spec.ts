import { renameSync, statfsSync } from 'node:fs'
import { join } from 'node:path'

import test from 'ava'

import type { Chronicle, HealthOptions } from '../index.ts'
import { healthOf } from '../lib/health.ts'
import { appendPayloads } from './helpers/contents.ts'
import { overwrite, segment } from './helpers/files.ts'
import { refusesArgument } from './helpers/refusal.ts'
import { fresh, opened } from './helpers/temporary.ts'

function codes(log: Chronicle, options?: HealthOptions): string[] {
  const { ok, problems } = log.health(options)
  if (ok !== (problems.length === 0)) throw new Error('ok says something else than problems')
  if (!problems.every(({ message, hint }) => message !== '' && hint !== '')) throw new Error('no words')
  return problems.map(({ code }) => code)
}

test('a log in use is well', (t) => {
  const log = fresh(t)
  t.deepEqual(log.health(), { ok: true, problems: [] })
  appendPayloads(log, 0, 1000)
  log.setReader('billing', 10)
  t.deepEqual(log.health(), { ok: true, problems: [] })
  const reading = opened(t, log.path, { readOnly: true })
  t.deepEqual(reading.health(), { ok: true, problems: [] })
})

test('readers that lag, were overtaken or cannot be read are named', (t) => {
  const log = fresh(t)
  appendPayloads(log, 0, 1000)
  log.setReader('billing', 600)
  t.deepEqual(codes(log, { maxLag: 400 }), [])
  const { problems } = log.health({ maxLag: 399 })
  t.like(problems, { length: 1, 0: { code: 'reader-lag' } })
  t.regex(problems[0]!.message, /"billing" is 400 messages behind, more than 399/)

  log.setReader('ancient', 1)
  log.prune({ keepMessages: 10, keepUnread: false })
  t.deepEqual(codes(log), ['reader-behind', 'reader-behind'])
  t.regex(log.health().problems[0]!.hint, new RegExp(`setReader\\("ancient", ${log.firstSeq}\\)`))
  log.removeReader('ancient')
  overwrite(join(log.path, 'readers', 'billing'), 512, Buffer.alloc(1536))
  t.deepEqual(codes(log, { maxLag: 0 }), ['reader-damaged'])
})

test('another handle that writes is a problem for one that is to write', (t) => {
  const log = fresh(t)
  log.acquire()
  const second = opened(t, log.path)
  t.deepEqual(codes(second), [])
  t.deepEqual(codes(second, { writer: true }), ['locked'])
  t.regex(second.health({ writer: true }).problems[0]!.message, new RegExp(`process ${process.pid} `))
  t.deepEqual(codes(log, { writer: true }), [])
  log.close()
  t.deepEqual(codes(second, { writer: true }), [])
})

test('little space on the disk is a problem', (t) => {
  const log = fresh(t)
  const { bavail, bsize } = statfsSync(log.path)
  const free = bavail * bsize
  t.deepEqual(codes(log, { minFreeBytes: free * 2 }), ['disk-full'])
  t.deepEqual(codes(log, { minFreeBytes: 0 }), [])
})

test('a log that no writer has recovered since the boot is told from one that is new', (t) => {
  const log = fresh(t)
  t.deepEqual(codes(log), [])
  t.false(log.stats().recovered)
  appendPayloads(log, 0, 10)
  t.true(log.stats().recovered)
  log.close()
  // The number of another boot.
  overwrite(join(log.path, 'control'), 320, Buffer.alloc(16, 0xee))
  const next = opened(t, log.path)
  t.deepEqual(codes(next), ['unrecovered'])
  next.acquire()
  t.deepEqual(codes(next), [])
})

test('a flush that failed is told to its writer, and to others', (t) => {
  const log = fresh(t)
  log.append('x')
  // As a failed flush leaves the word of it.
  overwrite(join(log.path, 'control'), 268, Buffer.from([1, 0, 0, 0]))
  t.true(log.stats().flushFailed)
  t.deepEqual(codes(log), ['poisoned'])
  t.deepEqual(codes(opened(t, log.path)), ['flush-failed'])
  log.close()
  const next = opened(t, log.path)
  next.acquire()
  t.deepEqual(codes(next), [])
})

test('a prune at a roll that failed is told', (t) => {
  const log = fresh(t, { segmentBytes: 65_536, retention: { keepMessages: 10 } })
  log.setReader('billing', 0)
  overwrite(join(log.path, 'readers', 'billing'), 512, Buffer.alloc(1536))
  let seq = 0
  while (!codes(log).includes('prune-failed') && seq < 1e6) {
    appendPayloads(log, seq, seq + 1000)
    seq += 1000
  }
  t.deepEqual(codes(log), ['prune-failed', 'reader-damaged'])
})

test('a log whose first segment is gone cannot be looked at, and says so', (t) => {
  const log = fresh(t)
  appendPayloads(log, 0, 1000)
  log.close()
  renameSync(segment(log.path), `${segment(log.path)}.away`)
  const { ok, problems } = opened(t, log.path, { readOnly: true }).health()
  t.false(ok)
  t.like(problems, { length: 1, 0: { code: 'unreadable' } })
  t.regex(problems[0]!.message, /missing/)
})

test('what file systems promise less is told', (t) => {
  const log = fresh(t)
  const stats = { ...log.stats(), networkFs: 'NFS', copyOnWriteFs: 'btrfs' }
  const { problems } = healthOf({ path: log.path, writing: false, stats: () => stats }, undefined)
  t.deepEqual(
    problems.map(({ code, message }) => [code, /on (\w+)/.exec(message)?.[1]]),
    [
      ['network-fs', 'NFS'],
      ['copy-on-write-fs', 'btrfs'],
    ],
  )
})

test('options are checked', (t) => {
  const log = fresh(t)
  refusesArgument(t, () => log.health({ maxLag: -1 }), /maxLag/)
  refusesArgument(t, () => log.health({ minFreeBytes: 0.5 }), /minFreeBytes/)
  refusesArgument(t, () => log.health({ writer: 1 } as never), /writer/)
  refusesArgument(t, () => log.health({ lag: 1 } as never), /no option "lag"/)
})

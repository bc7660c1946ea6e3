import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

import test, { type ExecutionContext } from 'ava'

import { MmapFile, verify, type DiagnosticsEvents } from '../index.ts'
import { appendPayloads } from './helpers/contents.ts'
import { bases, flip, overwrite, segment } from './helpers/files.ts'
import { rejects, refuses } from './helpers/refusal.ts'
import { folder, fresh, nowhere, opened } from './helpers/temporary.ts'

/** What a channel publishes until the test ends. */
function heard<K extends keyof DiagnosticsEvents>(t: ExecutionContext, name: K): DiagnosticsEvents[K][] {
  const events: DiagnosticsEvents[K][] = []
  const listener = (event: unknown) => events.push(event as DiagnosticsEvents[K])
  subscribe(name, listener)
  t.teardown(() => unsubscribe(name, listener))
  return events
}

/** Waits until something is so. */
async function until(is: () => boolean): Promise<void> {
  while (!is()) await pause(2)
}

test.serial('nobody hears of rolls, prunes and flushes who subscribes behind the opening', async (t) => {
  const log = fresh(t)
  log.acquire()
  const rolls = heard(t, 'chronicle-log:roll')
  appendPayloads(log, 0, 1000)
  await log.sync()
  await pause(20)
  t.deepEqual(rolls, [])
})

test.serial('who subscribes before the writer lock is taken hears of every roll and flush', async (t) => {
  const log = fresh(t, { segmentBytes: 65_536, sync: 'none' })
  const other = fresh(t)
  const rolls = heard(t, 'chronicle-log:roll')
  const syncs = heard(t, 'chronicle-log:sync')
  appendPayloads(log, 0, 1000)
  const durableSeq = await log.sync()
  other.append('x')
  const expected = bases(log.path).slice(1)
  await until(() => rolls.length === expected.length && syncs.length > 0)
  t.deepEqual(
    rolls,
    expected.map((baseSeq) => ({ path: log.path, baseSeq, bytes: 65_536 })),
  )
  const [{ ms, ...sync }] = syncs as [DiagnosticsEvents['chronicle-log:sync']]
  t.deepEqual(sync, { path: log.path, durableSeq })
  t.true(ms! > 0)
})

test.serial('prunes are told, by calls and at rolls, and so is one that fails', async (t) => {
  const prunes = heard(t, 'chronicle-log:prune')
  const log = fresh(t)
  appendPayloads(log, 0, 1000)
  const report = log.prune({ keepMessages: 10 })
  await until(() => prunes.length === 1)
  t.deepEqual(prunes, [{ path: log.path, ...report }])
  log.prune({ keepMessages: 10 })
  log.prune({ keepMessages: 0, dryRun: true })

  const pruning = fresh(t, { segmentBytes: 65_536, retention: { keepMessages: 10 } })
  appendPayloads(pruning, 0, 1000)
  await until(() => prunes.length > 1)
  t.like(prunes[1], { path: pruning.path })
  t.true(prunes[1]!.firstSeq! > 0)
  pruning.setReader('billing', pruning.nextSeq)
  overwrite(join(pruning.path, 'readers', 'billing'), 512, Buffer.alloc(1536))
  const failed = () => prunes.find(({ failure }) => failure !== undefined)
  for (let seq = 1000; failed() === undefined; seq += 500) {
    appendPayloads(pruning, seq, seq + 500)
    await pause(2)
  }
  t.is(failed()?.segments, undefined)
  t.regex(failed()!.failure!, /billing/)
})

test.serial('each opening for writing tells what it found', (t) => {
  const recoveries = heard(t, 'chronicle-log:recovery')
  const log = fresh(t)
  t.deepEqual(recoveries, [])
  appendPayloads(log, 0, 10)
  log.close()
  const again = opened(t, log.path)
  again.acquire()
  again.acquire()
  t.is(recoveries.length, 2)
  t.deepEqual(recoveries[1], { path: log.path, recovery: again.stats().recovery! })
  t.is(recoveries[1]!.recovery.checkedMessages, 10)
})

test.serial('gaps are told by who asked for what was pruned', (t) => {
  const gaps = heard(t, 'chronicle-log:gap')
  const log = fresh(t)
  appendPayloads(log, 0, 1000)
  const first = log.prune({ keepMessages: 10 }).firstSeq
  refuses(t, () => [...log.read({ from: 3 })], 'ERR_CHRONICLE_GAP')
  t.deepEqual(gaps, [{ path: log.path, seq: 3, first }])
})

test.serial('damage is told at each call that meets it, and nothing else is', async (t) => {
  const found = heard(t, 'chronicle-log:corruption')
  const log = fresh(t)
  log.append('x')
  flip(segment(log.path), 4096 + 64)
  const error = refuses(t, () => [...log.read()], 'ERR_CHRONICLE_CORRUPT')
  const { code, message } = error
  const expected = { code, message, path: segment(log.path), offset: 4096, seq: 0 }
  t.deepEqual(found, [expected])
  refuses(t, () => [...log.read()], 'ERR_CHRONICLE_CORRUPT')
  t.deepEqual(found, [expected, expected])
  overwrite(join(log.path, 'control'), 0, Buffer.from('X'))
  await rejects(t, verify(log.path), 'ERR_CHRONICLE_BAD_MAGIC')
  t.is(found.length, 3)
  t.false('seq' in found[2]!)

  refuses(t, () => opened(t, nowhere(t), { create: false }), 'ERR_CHRONICLE_NOT_FOUND')
  const path = join(folder(t), 'file')
  writeFileSync(path, 'bytes')
  const file = MmapFile.open(path)
  refuses(t, () => file.slice(0, 100), 'ERR_CHRONICLE_OUT_OF_BOUNDS')
  file.close()
  t.is(found.length, 3)
})

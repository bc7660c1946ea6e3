/** Two copies of the package in one process, as two dependents with their own versions bring them. */
import { cpSync, readdirSync, truncateSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

import test, { type ExecutionContext } from 'ava'

import { Chronicle } from '../index.ts'
import type * as binding from '../native/binding.cjs'
import { segment } from './helpers/files.ts'
import { refuses } from './helpers/refusal.ts'
import { root } from './helpers/repository.ts'
import { folder, fresh } from './helpers/temporary.ts'

const OPTIONS = { create: false, readOnly: false, mode: 0o600, allowNetworkFs: false }

/** The native part, loaded once more from another place: nothing of it is shared with the one that is loaded already. */
function otherCopy(t: ExecutionContext): typeof binding {
  const place = folder(t)
  for (const name of readdirSync(join(root, 'native'))) cpSync(join(root, 'native', name), join(place, name))
  return createRequire(import.meta.url)(join(place, 'binding.cjs')) as typeof binding
}

/** Reads so many messages with the other copy. */
function read(reader: binding.NativeReader, count: number): number {
  return reader.poll()(new Uint8Array(65_536), new Uint32Array(8 * count))
}

test('both read, and only one writes', (t) => {
  const other = otherCopy(t)
  t.not<unknown, unknown>(other.NativeChronicle, Chronicle)
  const log = fresh(t)
  log.append('here')
  const opened = other.NativeChronicle.open(log.path, OPTIONS)
  t.is(read(opened.reader('start', false), 10), 1)
  const take = () =>
    opened.writer(0, new Float64Array(new SharedArrayBuffer(64)), new Uint8Array(new SharedArrayBuffer(64)))
  t.throws(take, { code: 'ERR_CHRONICLE_LOCKED' })
  log.close()
  take()
  using again = Chronicle.open(log.path)
  refuses(t, () => again.append('no'), 'ERR_CHRONICLE_LOCKED')
  opened.close()
  t.is(again.append('there'), 1)
})

const onUnix = process.platform === 'win32' ? test.skip : test

onUnix('a file that is truncated is an error in both', (t) => {
  const other = otherCopy(t)
  const logs = [fresh(t), fresh(t)]
  for (const log of logs) for (let seq = 0; seq < 20; seq++) log.append('.'.repeat(1000))
  const [first, second] = logs.map((log) =>
    other.NativeChronicle.open(log.path, OPTIONS).reader('start', false),
  )
  t.is(read(first!, 2), 2)
  t.is(read(second!, 2), 2)
  for (const log of logs) truncateSync(segment(log.path, 0), 0)
  // Each handler passes on what is not about memory of its own copy, whichever was installed last.
  t.throws(() => read(first!, 2), { code: 'ERR_CHRONICLE_TRUNCATED' })
  refuses(t, () => logs[1]!.append('x'), 'ERR_CHRONICLE_POISONED')
  t.throws(() => read(second!, 2), { code: 'ERR_CHRONICLE_TRUNCATED' })
  refuses(t, () => logs[0]!.append('x'), 'ERR_CHRONICLE_POISONED')
})

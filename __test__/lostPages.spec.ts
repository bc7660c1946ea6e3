/** Files that somebody truncates while other processes have them mapped: an error there, and no signal. */
import { statSync, truncateSync } from 'node:fs'
import { join } from 'node:path'

import test, { type ExecutionContext } from 'ava'

import { Chronicle, MmapFile } from '../index.ts'
import { bases, segment } from './helpers/files.ts'
import type { ways } from './helpers/lost.ts'
import { Peer } from './helpers/process.ts'
import { refuses } from './helpers/refusal.ts'
import { folder, nowhere } from './helpers/temporary.ts'

// Windows truncates no file that is mapped.
const onUnix = process.platform === 'win32' ? test.skip : test

type File = 'control' | 'first' | 'active' | 'position'

/** A log of several segments, whose writer is gone. */
function written(t: ExecutionContext): string {
  const dir = nowhere(t)
  using log = Chronicle.open(dir, { segmentBytes: 262_144, sync: 'none' })
  for (let seq = 0; seq < 600; seq++) log.append('.'.repeat(1000))
  log.setReader('billing', 0)
  return dir
}

function pathOf(dir: string, file: File): string {
  if (file === 'control') return join(dir, 'control')
  if (file === 'position') return join(dir, 'readers', 'billing')
  return segment(dir, file === 'first' ? 0 : bases(dir).at(-1))
}

const LOST = ['ERR_CHRONICLE_TRUNCATED', 'ERR_CHRONICLE_EMPTY_FILE', 'ERR_CHRONICLE_CORRUPT']
const POISONED = ['ERR_CHRONICLE_POISONED']

const cases: [keyof typeof ways, File, number, string[]][] = [
  ['read', 'first', 0, LOST],
  ['read', 'active', 8192, LOST],
  ['read', 'control', 0, LOST],
  ['cursor', 'first', 0, LOST],
  ['cursor', 'first', 100_000, LOST],
  ['cursor', 'control', 0, LOST],
  ['tail', 'control', 0, LOST],
  ['block', 'control', 0, LOST],
  ['durable', 'control', 0, LOST],
  ['append', 'active', 0, POISONED],
  ['append', 'control', 0, POISONED],
  ['sync', 'active', 0, POISONED],
  ['sync', 'active', 30_000, POISONED],
  ['sync', 'control', 100, POISONED],
  ['commit', 'position', 0, LOST],
]

for (const [way, file, length, codes] of cases) {
  onUnix(`${way}: ${file} is truncated to ${length}`, async (t) => {
    const dir = written(t)
    const peer = new Peer(t, `lost ${way}`, dir)
    t.deepEqual(await peer.message(), { ready: true })
    const path = pathOf(dir, file)
    truncateSync(path, length)
    if (way === 'cursor') peer.child.send('gone')
    const error = await peer.message<{ code: string; path: string }>()
    t.log(error)
    t.true(codes.includes(error.code), JSON.stringify(error))
    if (way !== 'append') t.is(error.path, path)
    t.deepEqual(await peer.exit, { code: 0, signal: null })
  })
}

onUnix('a tail at the end learns it from the writer that does', async (t) => {
  const dir = written(t)
  using log = Chronicle.open(dir, { sync: 'none' })
  log.append('there')
  const peer = new Peer(t, 'lost tail', dir)
  t.deepEqual(await peer.message(), { ready: true })
  const path = pathOf(dir, 'active')
  truncateSync(path, 0)
  const seq = log.nextSeq
  const error = refuses(t, () => log.append('nowhere'), 'ERR_CHRONICLE_POISONED')
  t.is(error.path, path)
  refuses(t, () => log.append('nowhere'), 'ERR_CHRONICLE_POISONED')
  t.is(statSync(path).size, 0)
  t.true(log.nextSeq <= seq + 1)
  t.true(LOST.includes((await peer.message<{ code: string }>()).code))
  t.deepEqual(await peer.exit, { code: 0, signal: null })
})

onUnix('a mapped file that is truncated', (t) => {
  const path = join(folder(t), 'file')
  using file = MmapFile.create(path, 16_384)
  file.write(0, Buffer.alloc(16_384, 1))
  truncateSync(path, 4096)
  t.is(refuses(t, () => file.slice(), 'ERR_CHRONICLE_TRUNCATED').path, path)
  refuses(t, () => file.slice(0, 1), 'ERR_CHRONICLE_TRUNCATED')
  refuses(t, () => file.write(8192, Buffer.of(1)), 'ERR_CHRONICLE_TRUNCATED')
  refuses(t, () => file.flush(), 'ERR_CHRONICLE_TRUNCATED')
})

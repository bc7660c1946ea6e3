/** Modes that deny access: told by the file that they are of, and nothing is changed. */
import { chmodSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'

import test, { type ExecutionContext } from 'ava'

import { Chronicle } from '../index.ts'
import { segment, snapshot } from './helpers/files.ts'
import { refuses } from './helpers/refusal.ts'
import { nowhere } from './helpers/temporary.ts'

/** A closed log of one segment, which every user may search for. */
function written(t: ExecutionContext): string {
  const dir = nowhere(t)
  using log = Chronicle.open(dir, { segmentBytes: 65_536 })
  for (let seq = 0; seq < 20; seq++) log.append(`message ${seq}`)
  log.setReader('billing', 3)
  chmodSync(join(dir, '..'), 0o755)
  chmodSync(dir, 0o755)
  return dir
}

function readAll(dir: string): number {
  using log = Chronicle.open(dir, { readOnly: true })
  return [...log.read()].length
}

const onUnix = process.platform === 'win32' ? test.skip : test

/** Runs `call` without the rights of root, which no mode holds back. */
function asUser<T>(call: () => T): T {
  if (process.geteuid?.() !== 0) return call()
  process.seteuid?.(65_534)
  try {
    return call()
  } finally {
    process.seteuid?.(0)
  }
}

onUnix('a directory and files that deny access', (t) => {
  const dir = written(t)
  chmodSync(dir, 0o555)
  t.teardown(() => chmodSync(dir, 0o755))
  const inside = join(dir, 'inside')
  asUser(() => {
    t.is(refuses(t, () => Chronicle.open(inside), 'ERR_CHRONICLE_PERMISSION').path, inside)
  })
  for (const name of ['control', basename(segment(dir))]) {
    chmodSync(join(dir, name), 0)
    const before = snapshot(dir)
    asUser(() => {
      t.is(refuses(t, () => readAll(dir), 'ERR_CHRONICLE_PERMISSION').path, join(dir, name))
    })
    t.deepEqual(snapshot(dir), before)
    chmodSync(join(dir, name), 0o644)
  }
  // With permission to read alone, a log is read, and writing refused.
  chmodSync(segment(dir), 0o444)
  chmodSync(join(dir, 'control'), 0o444)
  asUser(() => {
    t.is(readAll(dir), 20)
    using log = Chronicle.open(dir)
    t.is([...log.read()].length, 20)
    refuses(t, () => log.append('no'), 'ERR_CHRONICLE_PERMISSION')
  })
})

onUnix('locks, positions and the directory itself that deny access', (t) => {
  const dir = written(t)
  const readers = join(dir, 'readers')
  for (const name of ['control', basename(segment(dir)), 'writer.lock', 'readers/billing'])
    chmodSync(join(dir, name), 0o666)
  for (const path of [dir, readers]) chmodSync(path, 0o777)
  const denied: [string, (log: Chronicle) => unknown][] = [
    [join(dir, 'writer.lock'), (log) => log.append('no')],
    [join(readers, 'billing'), (log) => log.tail({ name: 'billing' })],
    [join(readers, 'billing'), (log) => log.setReader('billing', 4)],
    [readers, (log) => log.readers()],
  ]
  for (const [path, call] of denied) {
    const { mode } = statSync(path)
    chmodSync(path, 0)
    asUser(() => {
      t.is(readAll(dir), 20)
      using log = Chronicle.open(dir, { sync: 'none' })
      t.is(refuses(t, () => call(log), 'ERR_CHRONICLE_PERMISSION').path, path)
    })
    chmodSync(path, mode)
  }
  chmodSync(dir, 0o600)
  asUser(() => refuses(t, () => readAll(dir), 'ERR_CHRONICLE_PERMISSION'))
  chmodSync(dir, 0o777)
  asUser(() => {
    using log = Chronicle.open(dir)
    t.is(log.append('yes'), 20)
  })
})

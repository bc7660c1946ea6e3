import { mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

import test from 'ava'

import { MmapFile } from '../index.ts'
import { refuses, refusesArgument } from './helpers/refusal.ts'
import { folder } from './helpers/temporary.ts'

test('what is written is in the file', (t) => {
  const path = join(folder(t), 'file')
  using file = MmapFile.create(path, 10_000)
  t.is(file.length, 10_000)
  t.is(file.path, path)
  t.true(file.slice().every((byte) => byte === 0))
  file.write(100, Buffer.from('hello'))
  file.write(9999, Buffer.of(255))
  file.flushRange(100, 5)
  file.flush()
  t.is(Buffer.from(file.slice(100, 105)).toString(), 'hello')
  t.is(file.slice(9999)[0], 255)
  const bytes = readFileSync(path)
  t.is(bytes.length, 10_000)
  t.is(bytes.subarray(100, 105).toString(), 'hello')
  if (process.platform !== 'win32') t.is(statSync(path).mode & 0o777, 0o600)
})

test('a slice is a copy', (t) => {
  using file = MmapFile.create(pathToFileURL(join(folder(t), 'file')), 64)
  file.write(0, Buffer.from('abc'))
  const copy = file.slice(0, 3)
  file.write(0, Buffer.from('xyz'))
  copy[1] = 0
  t.is(Buffer.from(file.slice(0, 3)).toString(), 'xyz')
  const shared = new Uint8Array(new SharedArrayBuffer(3)).fill(7)
  file.write(10, shared)
  t.deepEqual([...file.slice(9, 14)], [0, 7, 7, 7, 0])
  t.is(file.slice(64).length, 0)
  t.is(file.slice(10, 5).length, 0)
})

test('ranges outside of the file are refused and change nothing', (t) => {
  const path = join(folder(t), 'file')
  using file = MmapFile.create(path, 64)
  for (const [offset, end] of [
    [0, 65],
    [64, 65],
    [2 ** 53 - 1, 2 ** 53 - 1],
    [65, 65],
  ] as const) {
    refuses(t, () => file.slice(offset, end), 'ERR_CHRONICLE_OUT_OF_BOUNDS')
  }
  for (const offset of [60, 64, 2 ** 53 - 1]) {
    const error = refuses(t, () => file.write(offset, Buffer.from('hello')), 'ERR_CHRONICLE_OUT_OF_BOUNDS')
    t.like(error, { path, offset })
  }
  refuses(t, () => file.flushRange(60, 5), 'ERR_CHRONICLE_OUT_OF_BOUNDS')
  for (const value of [-1, NaN, 0.5, '1', null]) {
    refusesArgument(t, () => file.slice(value as number), /^offset/)
    refusesArgument(t, () => file.slice(0, value as number), /^end/)
    refusesArgument(t, () => file.write(value as number, new Uint8Array(1)), /^offset/)
    refusesArgument(t, () => file.flushRange(0, value as number), /^length/)
  }
  refusesArgument(t, () => file.write(0, 'text' as unknown as Uint8Array), /Uint8Array/)
  t.true(file.slice().every((byte) => byte === 0))
})

test('a file has one owner', (t) => {
  const path = join(folder(t), 'file')
  const file = MmapFile.create(path, 64)
  file.write(0, Buffer.from('kept'))
  refuses(t, () => MmapFile.open(path), 'ERR_CHRONICLE_LOCKED')
  refusesArgument(t, () => MmapFile.create(path, 64), /file/)
  file.close()
  file.close()
  t.true(file.closed)
  refuses(t, () => file.slice(), 'ERR_CHRONICLE_CLOSED')
  refuses(t, () => file.write(0, new Uint8Array(1)), 'ERR_CHRONICLE_CLOSED')
  refuses(t, () => file.flush(), 'ERR_CHRONICLE_CLOSED')
  using again = MmapFile.open(path)
  t.is(Buffer.from(again.slice(0, 4)).toString(), 'kept')
})

test('what is no plain file with bytes in it is refused', (t) => {
  const dir = folder(t)
  const at = (name: string) => join(dir, name)
  writeFileSync(at('empty'), '')
  writeFileSync(at('full'), 'x')
  symlinkSync(at('full'), at('link'))
  mkdirSync(at('directory'))
  t.is(refuses(t, () => MmapFile.open(at('empty')), 'ERR_CHRONICLE_EMPTY_FILE').path, at('empty'))
  refuses(t, () => MmapFile.open(at('missing')), 'ERR_CHRONICLE_NOT_FOUND')
  refuses(t, () => MmapFile.open(at('link')), 'ERR_CHRONICLE_NOT_A_FILE')
  refuses(t, () => MmapFile.open(at('directory')), 'ERR_CHRONICLE_NOT_A_FILE')
  refuses(t, () => MmapFile.create(join(dir, 'no', 'such'), 64), 'ERR_CHRONICLE_NOT_FOUND')
})

/** Two versions of the package on one log, installed beside each other: in one process, and in two. */
import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

import test from 'ava'

import type * as types from '../index.ts'
import { builtAddon, faultyAddon } from '../torture/fault.ts'
import { readText } from './helpers/repository.ts'
import { bases } from './helpers/files.ts'
import { install, pack } from './helpers/packed.ts'
import { nowhere } from './helpers/temporary.ts'

type Package = typeof types

const LATER = '0.2.0'
// Built where everything is checked; elsewhere the later version has the native part of this one, from a file of its own.
const addon = process.env['CHRONICLE_RUNTIMES'] === 'all' ? faultyAddon() : builtAddon()
const packed = [pack(), pack({ version: LATER, addon })]
const folders = packed.map(({ main, platform }) => install([main, platform]))
// By their paths: the name stands for the sources here.
const [one, other] = folders.map(
  (folder) =>
    createRequire(import.meta.url)(join(folder, 'node_modules/chronicle-log/dist/index.js')) as Package,
)
const both = [
  { name: 'the later one reads', a: one!, b: other!, folder: folders[1]! },
  { name: 'the earlier one reads', a: other!, b: one!, folder: folders[0]! },
]

test.after.always(() => {
  for (const folder of [...packed.map((each) => each.folder), ...folders])
    rmSync(folder, { recursive: true, force: true })
})

test('they are two versions', (t) => {
  const versions = folders.map(
    (folder) =>
      createRequire(join(folder, 'program.js'))('chronicle-log/package.json') as { version: string },
  )
  const { version } = JSON.parse(readText('package.json')) as { version: string }
  t.deepEqual(
    versions.map((manifest) => manifest.version),
    [version, LATER],
  )
  t.not(one!.Chronicle, other!.Chronicle)
})

for (const { name, a, b, folder } of both) {
  test(`one writes, the other reads, follows and keeps what it has to read: ${name}`, async (t) => {
    const dir = nowhere(t)
    using log = a.Chronicle.open(dir, { segmentBytes: 65_536 })
    for (let seq = 0; seq < 300; seq++) log.append('.'.repeat(1000))
    using beside = b.Chronicle.open(dir)
    t.is([...beside.read()].length, 300)

    const refused = t.throws(() => beside.append('no'), { instanceOf: b.ChronicleError })
    t.is(refused?.code, 'ERR_CHRONICLE_LOCKED')
    t.false(refused instanceof a.ChronicleError)

    const tail = beside.tail({ name: 'billing', keepAlive: true })
    for (let seq = 0; seq < 200; seq++) t.is((await tail.next()).value?.seq, seq)
    tail.commit(99)
    t.true(log.prune({ keepMessages: 0 }).segments > 0)
    t.true(log.firstSeq > 0 && log.firstSeq <= 100, `${log.firstSeq}`)
    t.true(bases(dir).includes(log.firstSeq))
    for (let seq = 200; seq < 300; seq++) t.is((await tail.next()).value?.seq, seq)
    const next = tail.next()
    log.append('followed')
    t.is((await next).value?.text(), 'followed')
    tail.commit(300)
    tail.close()
    t.true(log.prune({ keepMessages: 0 }).firstSeq > 100)
  })

  test(`another process has the other version: ${name}`, (t) => {
    const dir = nowhere(t)
    using log = a.Chronicle.open(dir)
    log.append('here')
    const program = `
      const { Chronicle, ChronicleError } = require('chronicle-log')
      const log = Chronicle.open(process.argv[1])
      const read = [...log.read()].map((message) => message.text())
      let refused = 'nothing'
      try { refused = log.append('there') } catch (error) { if (error instanceof ChronicleError) refused = error.code }
      console.log(JSON.stringify({ read, refused }))
      log.close()`
    const run = (): unknown => {
      const { stdout, stderr } = spawnSync(process.execPath, ['-e', program, dir], {
        cwd: folder,
        encoding: 'utf8',
      })
      t.is(stderr, '')
      return JSON.parse(stdout)
    }
    t.deepEqual(run(), { read: ['here'], refused: 'ERR_CHRONICLE_LOCKED' })
    log.close()
    t.deepEqual(run(), { read: ['here'], refused: 1 })
    using again = a.Chronicle.open(dir)
    t.deepEqual(
      [...again.read()].map((message) => message.text()),
      ['here', 'there'],
    )
  })
}

import { spawnSync } from 'node:child_process'
import { cpSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import test from 'ava'

import { platform, platforms, whyNoBinding } from '../lib/platform.ts'
import { emptyFolder, install, pack } from './helpers/packed.ts'
import { readText, root } from './helpers/repository.ts'
import { runtimes, type Runtime } from './helpers/runtimes.ts'

const packed = pack()
const installed = install([packed.main, packed.platform])
cpSync(join(root, '__test__/programs'), installed, { recursive: true })

test.after.always(() => {
  for (const folder of [packed.folder, installed]) rmSync(folder, { recursive: true, force: true })
})

function run({ path, parameters }: Runtime, program: string, ...rest: string[]) {
  const env = { SystemRoot: process.env['SystemRoot'], PATH: '', NO_COLOR: '1' }
  const words = [...parameters, join(installed, program), ...rest]
  const { status, stdout, stderr } = spawnSync(path, words, {
    cwd: installed,
    env,
    encoding: 'utf8',
    timeout: 60_000,
  })
  return { status, stdout, stderr }
}

for (const runtime of runtimes()) {
  test(`every feature works under ${runtime.version}`, (t) => {
    const ended = run(runtime, 'smoke.mjs', emptyFolder(installed))
    t.deepEqual(ended, { status: 0, stdout: 'all features work\n', stderr: '' })
  })

  test(`payloads are read where they lie, and views given back, under ${runtime.version}`, (t) => {
    const ended = run(runtime, 'views.mjs', emptyFolder(installed))
    t.deepEqual(ended, { status: 0, stdout: 'true\n1048576\n', stderr: '' })
  })

  test(`a tail that waits keeps no process alive under ${runtime.version}`, (t) => {
    const ended = run(runtime, 'idle.mjs', emptyFolder(installed))
    t.deepEqual(ended, { status: 0, stdout: 'first\n', stderr: '' })
  })
}

test('a package without its native part names what is missing, or says why it cannot be loaded', (t) => {
  const name = `chronicle-log-${platform()}`
  const broken = install([packed.main, packed.platform])
  t.teardown(() => rmSync(broken, { recursive: true, force: true }))
  writeFileSync(
    join(broken, 'tell.cjs'),
    `try { require('chronicle-log') } catch ({ code, message }) { console.log(code, message) }`,
  )
  const folder = join(broken, 'node_modules', name)
  const tell = ({ path, parameters }: Runtime): string =>
    spawnSync(path, [...parameters, join(broken, 'tell.cjs')], { cwd: broken, encoding: 'utf8' }).stdout
  const addon = readdirSync(folder).find((file) => file.endsWith('.node'))!
  writeFileSync(join(folder, addon), 'no library')
  for (const runtime of runtimes()) {
    t.regex(tell(runtime), /^ERR_CHRONICLE_NO_BINDING the native part of .* cannot be loaded: .*\.node\b/)
  }
  rmSync(folder, { recursive: true })
  for (const runtime of runtimes()) {
    t.true(tell(runtime).startsWith(`ERR_CHRONICLE_NO_BINDING the package ${name}, which`), runtime.version)
  }
})

test('a platform that there is no native part for is told which ones there are', (t) => {
  const message = whyNoBinding(new Error('nothing'), 'sunos-x64')
  t.regex(message, /no native part for sunos-x64; .*darwin-arm64.*win32-x64-msvc$/)
})

test('the list of platforms is that of the packages, and of the targets that are built', (t) => {
  t.deepEqual(readdirSync(join(root, 'npm')).toSorted(), [...platforms])
  const { napi } = JSON.parse(readText('package.json')) as { napi: { targets: string[] } }
  t.is(napi.targets.length, platforms.length)
  const documented = readText('docs/PLATFORMS.md')
  t.deepEqual(
    platforms.filter((name) => !documented.includes(`\`chronicle-log-${name}\``)),
    [],
  )
})

test('both packages together take less than 2 MB installed', (t) => {
  const modules = join(installed, 'node_modules')
  const files = readdirSync(modules, { recursive: true, encoding: 'utf8' })
  const sizes = files.map((file) => statSync(join(modules, file))).filter((stat) => stat.isFile())
  const bytes = sizes.reduce((sum, { size }) => sum + size, 0)
  t.log(`${bytes} bytes`)
  t.true(bytes > 0 && bytes < 2_000_000, `${bytes} bytes`)
})

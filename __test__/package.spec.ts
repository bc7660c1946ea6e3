import { spawnSync } from 'node:child_process'
import { cpSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

import test, { type ExecutionContext } from 'ava'

import { type CodeBlock, runnableBlocks } from './helpers/markdown.ts'
import { nodes } from './helpers/runtimes.ts'
import { emptyFolder, install, pack } from './helpers/packed.ts'
import { readText, root } from './helpers/repository.ts'
import { writeSnippet } from './helpers/snippet.ts'

const packed = pack()
const installed = install([packed.main, packed.platform])

test.after.always(() => {
  for (const folder of [packed.folder, installed]) rmSync(folder, { recursive: true, force: true })
})

/** Runs a program with nothing on its PATH and answers what it printed; it must end well. */
function run(t: ExecutionContext, path: string, parameters: readonly string[], cwd: string): string {
  const env = { SystemRoot: process.env['SystemRoot'], PATH: '', NO_COLOR: '1' }
  const { status, stdout, stderr, error } = spawnSync(path, parameters, {
    cwd,
    env,
    encoding: 'utf8',
    timeout: 60_000,
  })
  t.is(status, 0, `${parameters.join(' ')}\n${stdout}${stderr}${error ?? ''}`)
  return stdout
}

/** Runs the command-line program of a development dependency. */
function runTool(t: ExecutionContext, program: string, parameters: readonly string[], cwd = root): string {
  return run(t, process.execPath, [join(root, 'node_modules', program), ...parameters], cwd)
}

function firstExample(): CodeBlock {
  const [block] = runnableBlocks(readText('README.md'))
  if (block === undefined) throw new Error('no block of the README opens with "```ts run" or "```js run"')
  return block
}

test('the package installs nothing by script and holds what it needs alone', (t) => {
  const { scripts = {} } = JSON.parse(readText('package.json')) as { scripts?: Record<string, string> }
  const atInstall = ['preinstall', 'install', 'postinstall', 'prepare', 'prepublish']
  t.deepEqual(
    Object.keys(scripts).filter((name) => atInstall.includes(name)),
    [],
  )

  const list =
    'process.stdout.write(require("fs").readdirSync("node_modules/chronicle-log", { recursive: true }).join("\\n"))'
  const files = run(t, process.execPath, ['-e', list], installed).replaceAll('\\', '/').split('\n')
  for (const file of ['README.md', 'LICENSE', 'dist/index.mjs', 'dist/index.js', 'native/binding.cjs']) {
    t.true(files.includes(file), `${file} is missing`)
  }
  const known = /^(README\.md|LICENSE|package\.json|dist(\/.*)?|native(\/binding\.(cjs|d\.cts))?)$/
  t.deepEqual(
    files.filter((file) => !known.test(file) || file.endsWith('.node')),
    [],
  )
})

test('publint and attw find nothing wrong with the tarball', (t) => {
  runTool(t, 'publint/src/cli.js', [packed.main, '--strict'])
  runTool(t, '@arethetypeswrong/cli/dist/index.js', [packed.main])
})

test('types resolve under node16, from ES modules and CommonJS, and under bundler', (t) => {
  const { info, code } = firstExample()
  const example =
    info[0] === 'ts' ? code : "import { Chronicle } from 'chronicle-log'\nChronicle.open satisfies Function\n"
  const uses =
    "import chronicle = require('chronicle-log')\nexport const open: typeof chronicle.Chronicle.open = chronicle.Chronicle.open\n"
  writeFileSync(join(installed, 'example.mts'), example)
  writeFileSync(join(installed, 'uses.cts'), uses)
  const common = {
    strict: true,
    target: 'es2022',
    lib: ['es2023', 'esnext.disposable'],
    types: ['node'],
    typeRoots: [join(root, 'node_modules/@types')],
    skipLibCheck: false,
  }
  const node16 = { ...common, module: 'node16', moduleResolution: 'node16', outDir: 'compiled' }
  const bundler = { ...common, module: 'esnext', moduleResolution: 'bundler', noEmit: true }
  const check = (name: string, compilerOptions: object, files: string[]): void => {
    writeFileSync(join(installed, name), JSON.stringify({ compilerOptions, files }))
    runTool(t, 'typescript/bin/tsc', ['-p', name], installed)
  }
  check('tsconfig.node16.json', node16, ['example.mts', 'uses.cts'])
  check('tsconfig.bundler.json', bundler, ['example.mts'])
})

test('the first example of the README runs from the installed package', (t) => {
  const example = writeSnippet(firstExample(), installed)
  for (const { version, path } of nodes()) {
    t.log(version)
    run(t, path, [example], emptyFolder(installed))
  }
})

const bothDoors = `
  const required = require('chronicle-log')
  import('chronicle-log').then((imported) => {
    const names = Object.keys(required).sort()
    if (names.length === 0 || names.join() !== Object.keys(imported).sort().join()) throw new Error(names.join())
    for (const name of names) if (required[name] !== imported[name]) throw new Error(name)
    const one = required.Chronicle.open('log')
    const other = imported.Chronicle.open('log', { readOnly: true })
    one.append('x')
    for (const message of other.read()) console.log(message.text())
    one.close()
    other.close()
  })`

test('require and import hand out the same classes in one process', (t) => {
  writeFileSync(join(installed, 'doors.cjs'), bothDoors)
  for (const { version, path } of nodes()) {
    t.is(run(t, path, [join(installed, 'doors.cjs')], emptyFolder(installed)), 'x\n', version)
  }
})

const bothPack = `
  const packed = ({ msgpack }) => {
    try { return msgpack().decode(msgpack().encode({ id: 7 })).id } catch (error) { return error.code }
  }
  import('chronicle-log').then((imported) => console.log(packed(require('chronicle-log')), packed(imported)))`

test('msgpackr is found when it is installed, and only then asked for', (t) => {
  const program = join(installed, 'packs.cjs')
  writeFileSync(program, bothPack)
  const missing = 'ERR_CHRONICLE_MISSING_DEPENDENCY'
  t.is(run(t, process.execPath, [program], installed), `${missing} ${missing}\n`)
  const peer = join(installed, 'node_modules/msgpackr')
  cpSync(join(root, 'node_modules/msgpackr'), peer, { recursive: true })
  t.teardown(() => rmSync(peer, { recursive: true, force: true }))
  for (const { version, path } of nodes()) t.is(run(t, path, [program], installed), '7 7\n', version)
})

test('both names of the command run from the installed package', (t) => {
  const log = join(emptyFolder(installed), 'log')
  const { version } = JSON.parse(readText('package.json')) as { version: string }
  for (const { version: node, path } of nodes()) {
    const main = join(installed, 'node_modules/chronicle-log/dist/cli/main.js')
    t.is(run(t, path, [main, '--version'], installed), `${version}\n`, node)
    run(t, path, [main, 'append', log], installed)
    t.regex(run(t, path, [main, 'info', log], installed), /^log\n {2}messages {2}none\n/, node)
  }
  // Links to a program with a first line that names Node.js are the way of systems other than Windows.
  if (process.platform === 'win32') return
  for (const name of ['chronicle', 'chronicle-log']) {
    const program = join(installed, 'node_modules/.bin', name)
    const env = { PATH: dirname(process.execPath), NO_COLOR: '1' }
    const { status, stdout, stderr } = spawnSync(program, ['head', log], { env, encoding: 'utf8' })
    t.deepEqual({ status, stdout, stderr }, { status: 0, stdout: '0\n', stderr: '' }, name)
    t.is(spawnSync(program, ['--version'], { env, encoding: 'utf8' }).stdout, `${version}\n`)
  }
})

test('without the platform package the error says what is missing', (t) => {
  const alone = install([packed.main])
  t.teardown(() => rmSync(alone, { recursive: true, force: true }))
  const program = `
    try { require('chronicle-log').Chronicle.open('log') } catch (error) { console.log(error.code) }`
  t.is(run(t, process.execPath, ['-e', program], alone), 'ERR_CHRONICLE_NO_BINDING\n')
  const main = join(alone, 'node_modules/chronicle-log/dist/cli/main.js')
  const { status, stderr } = spawnSync(process.execPath, [main, 'info', 'log'], {
    cwd: alone,
    encoding: 'utf8',
  })
  t.is(status, 1)
  t.regex(stderr, /ERR_CHRONICLE_NO_BINDING/)
})

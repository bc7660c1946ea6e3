import { spawnSync } from 'node:child_process'
import { cpSync, rmSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'

import test, { type ExecutionContext } from 'ava'

import { codeBlocks } from './helpers/markdown.ts'
import { emptyFolder, install, pack, temporaryFolder } from './helpers/packed.ts'
import { readText } from './helpers/repository.ts'
import { bundlers, runtime } from './helpers/runtimes.ts'

const bundlersFolder = bundlers()
const bundled = bundlersFolder === undefined ? test.skip : test.serial

const packed = pack()
const installed = install([packed.main, packed.platform])
writeFileSync(
  join(installed, 'program.mjs'),
  `import { Chronicle, ChronicleError } from 'chronicle-log'
const log = Chronicle.open('bundled', { create: true })
log.append('from a bundle')
try {
  log.append('x', { expectedSeq: 7 })
} catch (error) {
  if (!(error instanceof ChronicleError)) throw error
}
for (const message of log.read()) console.log(message.seq, message.text())
await log.sync()
log.close()
`,
)

// The commands and files are those of the document: what it says is what runs.
const blocks = codeBlocks(readText('docs/PLATFORMS.md'))
for (const { info, code } of blocks) {
  if (info[1]?.includes('.') === true) writeFileSync(join(installed, info[1]), code)
}

test.after.always(() => {
  for (const folder of [packed.folder, installed]) rmSync(folder, { recursive: true, force: true })
})

/** Runs the one command of the document that contains all `words`. */
function documented(t: ExecutionContext, ...words: string[]): void {
  const commands = blocks.filter(
    ({ info, code }) => info[0] === 'sh' && words.every((word) => code.includes(word)),
  )
  t.is(commands.length, 1, words.join(' '))
  const command = commands[0]?.code.trim().replace(/^npx /, '') ?? ''
  const folders = [
    join(bundlersFolder ?? '', 'node_modules/.bin'),
    dirname(process.execPath),
    '/usr/bin',
    '/bin',
  ]
  const env = { ...process.env, PATH: folders.join(delimiter), NODE_OPTIONS: '' }
  const { status, stdout, stderr } = spawnSync(command, {
    cwd: installed,
    env,
    shell: true,
    encoding: 'utf8',
  })
  t.is(status, 0, `${command}\n${stdout}${stderr}`)
}

/** Runs a bundle in an empty folder; its modules are found from where it lies. */
function runs(t: ExecutionContext, bundle: string): void {
  const cwd = emptyFolder(installed)
  const { status, stdout, stderr } = spawnSync(process.execPath, [bundle], { cwd, encoding: 'utf8' })
  t.deepEqual({ status, stdout, stderr }, { status: 0, stdout: '0 from a bundle\n', stderr: '' })
}

bundled('esbuild leaves the package outside', (t) => {
  documented(t, 'npx esbuild', '--external:chronicle-log ')
  runs(t, join(installed, 'outside/esbuild.mjs'))
})

bundled('vite leaves the package outside in a build for the server', (t) => {
  documented(t, 'npx vite')
  runs(t, join(installed, 'outside/vite/program.mjs'))
})

bundled('webpack leaves the package outside', (t) => {
  const build = `
    import { createRequire } from 'node:module'
    import config from './webpack.config.mjs'
    const webpack = createRequire(${JSON.stringify(pathToFileURL(join(bundlersFolder ?? '', 'x')).href)})('webpack')
    webpack(config, (error, stats) => {
      if (error !== null || stats.hasErrors()) throw error ?? new Error(stats.toString())
      if (stats.hasWarnings()) throw new Error(stats.toString())
    })`
  writeFileSync(join(installed, 'build.mjs'), build)
  const { status, stderr } = spawnSync(process.execPath, ['build.mjs'], { cwd: installed, encoding: 'utf8' })
  t.is(status, 0, stderr)
  runs(t, join(installed, 'dist/webpack.mjs'))
})

bundled('esbuild takes everything along to where no modules are', (t) => {
  documented(t, 'npx esbuild', '--loader:.node=copy')
  const elsewhere = temporaryFolder('bundle')
  t.teardown(() => rmSync(elsewhere, { recursive: true, force: true }))
  cpSync(join(installed, 'whole'), elsewhere, { recursive: true })
  runs(t, join(elsewhere, 'esbuild.mjs'))
})

const newest = runtime('node-26')

;(newest === undefined ? test.skip : bundled)('a single executable carries the native part', (t) => {
  documented(t, 'npx esbuild', 'app.cjs')
  const command =
    blocks
      .find(({ code }) => code.startsWith('node --build-sea'))
      ?.code.trim()
      .split(' ') ?? []
  const { status, stderr } = spawnSync(newest!.path, command.slice(1), { cwd: installed, encoding: 'utf8' })
  t.is(status, 0, stderr)
  const elsewhere = temporaryFolder('executable')
  t.teardown(() => rmSync(elsewhere, { recursive: true, force: true }))
  const app = join(elsewhere, 'app')
  cpSync(join(installed, 'app'), app)
  const env = { TMPDIR: elsewhere, PATH: '' }
  const ran = spawnSync(app, ['log'], { cwd: elsewhere, env, encoding: 'utf8' })
  t.deepEqual([ran.status, ran.stdout, ran.stderr], [0, 'from an executable\n', ''])
})

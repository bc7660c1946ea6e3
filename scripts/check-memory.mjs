// Runs the core's tests and the package's under AddressSanitizer: `npm run check:memory`, or with `core` or `package` one of both.
// It takes a nightly toolchain, and for the package the AddressSanitizer that comes with gcc. Leaks are looked for in the core;
// Node.js has its own, so those of the package are found by `npm run torture -- soak`.
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
/** Those that hand memory to and fro, and those in which an environment ends before its threads. */
const SPECS = ['writer', 'reader', 'claim', 'cursor', 'header', 'mmapFile', 'tail', 'named', 'workers']
/** Children of these are told apart by their exit, or limited in what they may map. */
const UNFIT = ['processes', 'crash', 'disks', 'planted', 'powercut']

function output(command, ...args) {
  const { status, stdout } = spawnSync(command, args, { encoding: 'utf8' })
  return status === 0 ? stdout.trim() : undefined
}

function run(command, args, env = {}) {
  console.log(`${command} ${args.join(' ')}`)
  const { status } = spawnSync(command, args, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, ...env },
  })
  return status === 0
}

const triple = /host: (.+)/.exec(output('rustc', '+nightly', '-vV') ?? '')?.[1]
if (triple === undefined) {
  console.log('check:memory: there is no nightly toolchain, and so no AddressSanitizer: nothing was run')
  process.exit(0)
}
const built = join(root, 'target/asan')
const flags = { RUSTFLAGS: '-Zsanitizer=address' }
const cargo = ['--target', triple, '--target-dir', built]

function core() {
  const folder = join(root, 'crates/chronicle-core/tests')
  const names = output('ls', folder).split('\n')
  const tests = names.flatMap((name) => (name === 'common' ? [] : [name.replace('.rs', '')]))
  const fit = tests.filter((name) => !UNFIT.includes(name)).flatMap((name) => ['--test', name])
  const args = [
    '+nightly',
    'test',
    '--package',
    'chronicle-core',
    '--all-features',
    '--no-fail-fast',
    '--lib',
  ]
  return run('cargo', [...args, ...fit, ...cargo], flags)
}

function packaged() {
  const asan = output('gcc', '-print-file-name=libasan.so')
  if (asan === undefined || !existsSync(asan)) {
    console.log('check:memory: gcc has no libasan.so here: the package was not run')
    return true
  }
  if (!run('cargo', ['+nightly', 'build', '--package', 'chronicle-node', ...cargo], flags)) return false
  const addon = join(built, 'chronicle-log.node')
  copyFileSync(join(built, triple, 'debug/libchronicle_node.so'), addon)
  const ava = ['node_modules/ava/entrypoints/cli.mjs', ...SPECS.map((name) => `__test__/${name}.spec.ts`)]
  return run('node', ava, {
    LD_PRELOAD: asan,
    ASAN_OPTIONS: 'detect_leaks=0',
    NAPI_RS_NATIVE_LIBRARY_PATH: addon,
  })
}

const parts = { core, package: packaged }
const chosen = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(parts)
process.exit(chosen.map((name) => parts[name]()).every(Boolean) ? 0 : 1)

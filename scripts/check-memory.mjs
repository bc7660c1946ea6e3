// Runs the core's tests and the package's under AddressSanitizer: `npm run check:memory`, or with `core` or `package` one of both.
// With `--planted` they run with one fault after the other in the core, each of which AddressSanitizer must find in both.
// It takes a nightly toolchain, and for the package the AddressSanitizer that comes with gcc. Leaks are looked for in the core;
// Node.js has its own, so those of the package are found by `npm run torture -- soak`.
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const root = fileURLToPath(new URL('..', import.meta.url))
/** Those that hand memory to and fro, and those in which an environment ends before its threads. */
const SPECS = ['writer', 'reader', 'claim', 'cursor', 'header', 'mmapFile', 'tail', 'named', 'workers']
/** Children of these are told apart by their exit, or limited in what they may map. */
const UNFIT = ['processes', 'crash', 'disks', 'planted', 'powercut']
/** Copies between a file and memory: a byte more than there is room for, a byte more than is there, and to memory that was freed. */
const PLANTS = {
  'copy.overrun': /\w+-buffer-overflow/,
  'copy.overread': /\w+-buffer-overflow/,
  'copy.freed': /heap-use-after-free/,
}

function output(command, ...args) {
  const { status, stdout } = spawnSync(command, args, { encoding: 'utf8' })
  return status === 0 ? stdout.trim() : undefined
}

/** Runs this to its end. Returns whether it succeeded. */
function run(command, args, env = {}) {
  console.log(`${command} ${args.join(' ')}`)
  return (
    spawnSync(command, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } }).status === 0
  )
}

/** Runs this with each planted fault. Returns whether all were found. */
function runPlanted(command, args, env) {
  const finds = Object.entries(PLANTS).map(([plant, report]) => {
    const { status, stdout, stderr } = spawnSync(command, args, {
      cwd: root,
      encoding: 'utf8',
      maxBuffer: 2 ** 28,
      env: { ...process.env, ...env, CHRONICLE_PLANT: plant },
    })
    const told = stdout + stderr
    const found = status !== 0 && new RegExp(`ERROR: AddressSanitizer: ${report.source}`).test(told)
    console.log(`${plant} was ${found ? 'found' : `NOT FOUND\n${told}`}`)
    return found
  })
  return finds.every(Boolean)
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { planted: { type: 'boolean', default: false } },
})
const triple = /host: (.+)/.exec(output('rustc', '+nightly', '-vV') ?? '')?.[1]
if (triple === undefined) {
  console.log('check:memory: there is no nightly toolchain, and so no AddressSanitizer: nothing was run')
  process.exit(0)
}
const built = join(root, 'target/asan')
const flags = { RUSTFLAGS: '-Zsanitizer=address' }
const cargo = ['--target', triple, '--target-dir', built]

function core() {
  const args = [
    ...['+nightly', 'test', '--package', 'chronicle-core', '--all-features', '--no-fail-fast', '--lib'],
    ...cargo,
  ]
  if (values.planted) return runPlanted('cargo', args, flags)
  const folder = join(root, 'crates/chronicle-core/tests')
  const names = output('ls', folder).split('\n')
  const tests = names.flatMap((name) => (name === 'common' ? [] : [name.replace('.rs', '')]))
  const fit = tests.filter((name) => !UNFIT.includes(name)).flatMap((name) => ['--test', name])
  // A signal that the core leaves to others ends a test's process: AddressSanitizer has to leave it too.
  return run('cargo', [...args, ...fit], { ...flags, ASAN_OPTIONS: 'handle_sigbus=0' })
}

function packaged() {
  const asan = output('gcc', '-print-file-name=libasan.so')
  if (asan === undefined || !existsSync(asan)) {
    console.log('check:memory: gcc has no libasan.so here: the package was not run')
    return true
  }
  const features = values.planted ? ['--features', 'fault'] : []
  const build = ['+nightly', 'build', '--package', 'chronicle-node', ...features, ...cargo]
  if (!run('cargo', build, flags)) return false
  const addon = join(built, 'chronicle-log.node')
  copyFileSync(join(built, triple, 'debug/libchronicle_node.so'), addon)
  const specs = values.planted ? ['reader', 'writer'] : SPECS
  const ava = ['node_modules/ava/entrypoints/cli.mjs', ...specs.map((name) => `__test__/${name}.spec.ts`)]
  const env = { LD_PRELOAD: asan, ASAN_OPTIONS: 'detect_leaks=0', NAPI_RS_NATIVE_LIBRARY_PATH: addon }
  return (values.planted ? runPlanted : run)('node', ava, env)
}

const parts = { core, package: packaged }
const chosen = positionals.length > 0 ? positionals : Object.keys(parts)
process.exit(chosen.map((name) => parts[name]()).every(Boolean) ? 0 : 1)

// Builds and runs the fuzzers of fuzz/, on any toolchain: `npm run fuzz -- [target...] [options]`.
//   --seconds N   how long each runs: 60
//   --seed S      the seed; a random one otherwise
//   --jobs N      how many run at once: as many as there are cores, and no more than 4
//   --asan        with AddressSanitizer, which takes a nightly toolchain
//   --planted     instead: plants faults in the core, and fails where one is not found within the seconds
//   --minimize    keeps what the corpus has grown by, as few inputs as reach the same
// What it has learnt stays in target/fuzz/corpus; what it found, in target/fuzz/findings.
import { spawn, spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

/** Each target, and the faults in the core that it must find. */
const TARGETS = {
  header: ['header.reserved'],
  control: ['control.unchecked'],
  segment: ['segment.unaligned'],
  index: ['index.believed'],
  position: ['slot.unchecked'],
  directory: ['length.unbounded'],
  operations: ['end.unkept', 'claim.unzeroed', 'publish.early'],
}
/** Counters at each edge and comparison. A stable compiler has them too. */
const COVERAGE = [
  '-Cpasses=sancov-module',
  ...['level=4', 'inline-8bit-counters', 'pc-table', 'trace-compares'].map(
    (part) => `-Cllvm-args=-sanitizer-coverage-${part}`,
  ),
]
/** An input that takes longer hangs, and one that takes more has no bound. */
const LIMITS = ['-timeout=30', '-rss_limit_mb=1024', '-max_len=1024', '-print_final_stats=1']

const root = fileURLToPath(new URL('..', import.meta.url))
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string', default: String(1 + Math.floor(Math.random() * 2 ** 31)) },
    jobs: { type: 'string', default: String(Math.min(availableParallelism(), 4)) },
    asan: { type: 'boolean', default: false },
    planted: { type: 'boolean', default: false },
    minimize: { type: 'boolean', default: false },
  },
})
const unknown = positionals.find((name) => !(name in TARGETS))
if (unknown !== undefined)
  throw new Error(`there is no target ${unknown}: ${Object.keys(TARGETS).join(', ')}`)
if (!/^[1-9]\d*$/.test(values.jobs)) throw new Error(`--jobs is a number from 1 on, not ${values.jobs}`)
const targets = positionals.length > 0 ? positionals : Object.keys(TARGETS)
const built = join(root, 'target', values.asan ? 'fuzz-asan' : 'fuzz')
const learnt = join(root, 'target/fuzz/corpus')
const findings = join(root, values.planted ? 'target/fuzz/planted' : 'target/fuzz/findings')

function output(command, ...args) {
  const { status, stdout } = spawnSync(command, args, { encoding: 'utf8' })
  return status === 0 ? stdout : undefined
}

function build() {
  const toolchain = values.asan ? ['+nightly'] : []
  const rustc = output('rustc', ...toolchain, '-vV')
  if (rustc === undefined && values.asan) {
    console.log('fuzz: there is no nightly toolchain, and so no AddressSanitizer: nothing was run')
    process.exit(0)
  }
  const triple = /host: (.+)/.exec(rustc)[1]
  const flags = [...COVERAGE, ...(values.asan ? ['-Zsanitizer=address'] : [])]
  // With a target, the flags are not for what runs while it is built.
  const args = ['build', '--release', '--quiet', '--locked', '--target', triple, '--target-dir', built]
  const { status } = spawnSync('cargo', [...toolchain, ...args, '--manifest-path', 'fuzz/Cargo.toml'], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, RUSTFLAGS: flags.join(' ') },
  })
  if (status !== 0) process.exit(1)
  return join(built, triple, 'release')
}

const folder = build()
const memory = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'chronicle-fuzz-'))

/** Runs a target with these arguments of libFuzzer. Returns its status and what it said. */
function run(target, args, env = {}) {
  const child = spawn(join(folder, target), args, {
    cwd: root,
    // Only the harness has memory to leak: libFuzzer looks for leaks of an input by itself, and threads of ours outlive one.
    env: { ...process.env, TMPDIR: memory, ASAN_OPTIONS: 'detect_leaks=0', ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text) => (said += text))
  return new Promise((resolve) => child.on('close', (status) => resolve({ status, said })))
}

function folders(target) {
  const seeds = join(root, 'fuzz/corpus', target)
  const grown = join(learnt, target)
  for (const path of [seeds, grown, findings]) mkdirSync(path, { recursive: true })
  return [grown, seeds]
}

const number = (said, pattern) => Number([...said.matchAll(pattern)].at(-1)?.[1] ?? 0)

/** Runs a target for the time. Returns whether it found nothing. */
async function fuzz(target) {
  const time = [`-max_total_time=${values.seconds}`, `-seed=${values.seed}`]
  const kept = `-artifact_prefix=${join(findings, target)}-`
  const { status, said } = await run(target, [...LIMITS, ...time, kept, ...folders(target)])
  const runs = number(said, /number_of_executed_units: (\d+)/g) || number(said, /^#(\d+)/gm)
  const edges = number(said, /cov: (\d+)/g)
  const counters = number(said, /\((\d+) inline 8-bit counters\)/g)
  const seen = `${runs} executions, ${edges} of ${counters} edges, ${number(said, / ft: (\d+)/g)} features`
  const told = `${target}: ${seen}, ${status === 0 ? 'no finding' : 'FINDING'}; seed ${values.seed}`
  // All at once: other targets run meanwhile.
  console.log([told, ...(status === 0 ? [] : said.split('\n').slice(-80))].join('\n'))
  return status === 0
}

/** Runs a target with a fault in the core. Returns whether it was found; the input stays in target/fuzz/planted. */
async function find(target, fault) {
  const env = { CHRONICLE_PLANT: fault, RUST_BACKTRACE: '0' }
  const time = [`-max_total_time=${values.seconds}`, `-seed=${values.seed}`]
  const kept = `-artifact_prefix=${join(findings, `${target}-${fault}`)}-`
  // What is learnt with a fault is of no use without.
  const learns = mkdtempSync(join(memory, 'corpus-'))
  const { status, said } = await run(target, [...LIMITS, ...time, kept, learns, ...folders(target)], env)
  const found = status !== 0 && /panicked at|AddressSanitizer|deadly signal/.test(said)
  const runs = Math.max(number(said, /^#(\d+)/gm), 1)
  console.log(`${target}: ${fault} was ${found ? `found within ${runs} executions` : 'NOT FOUND'}`)
  return found
}

/** Replaces the seeds of a target by the fewest inputs that reach as much. */
async function minimize(target) {
  const [grown, seeds] = folders(target)
  const fewest = mkdtempSync(join(memory, 'corpus-'))
  const { status } = await run(target, ['-set_cover_merge=1', '-rss_limit_mb=1024', fewest, seeds, grown])
  if (status !== 0) return false
  rmSync(seeds, { recursive: true })
  cpSync(fewest, seeds, { recursive: true })
  return true
}

const jobs = targets.flatMap((target) => {
  if (values.planted) return TARGETS[target].map((fault) => () => find(target, fault))
  return [() => (values.minimize ? minimize(target) : fuzz(target))]
})
const outcomes = []
const worker = async () => {
  for (let job = jobs.shift(); job !== undefined; job = jobs.shift()) outcomes.push(await job())
}
await Promise.all(Array.from({ length: Number(values.jobs) }, worker))
rmSync(memory, { recursive: true, force: true })
process.exit(outcomes.every(Boolean) ? 0 : 1)

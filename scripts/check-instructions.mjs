// Counts the instructions of one append and one poll of 64 bytes under callgrind, and compares them with instructions.json.
// `--write` stores the counts. Counts differ by compiler and by the CPU features that valgrind offers, not by load.
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'

const FILE = new URL('../crates/chronicle-core/benches/instructions.json', import.meta.url)
/** How much more than the stored count is a failure. */
const MARGIN = 1.05
/** Few enough to stay in the first half of the first segment, where no helper thread has anything to do. */
const MESSAGES = [1000, 3000]
const WALKS = [1, 21]
/** Asks the system for the time, as each append does under valgrind, which is too slow to reckon. */
const UNCOUNTED = '*clock::Clock*ask*'

function run(command, args) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8' })
  if (status === 0) return { stdout, stderr }
  console.error(error?.message ?? stderr)
  process.exit(1)
}

function build() {
  const args = [
    'bench',
    '-q',
    '-p',
    'chronicle-core',
    '--bench',
    'instructions',
    '--no-run',
    '--message-format=json',
  ]
  const artifacts = run('cargo', args)
    .stdout.trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  return artifacts.find(({ executable }) => typeof executable === 'string').executable
}

function count(program, messages, walks) {
  const valgrind = [
    '--tool=callgrind',
    '--callgrind-out-file=/dev/null',
    `--toggle-collect=${UNCOUNTED}`,
    '--collect-atstart=yes',
    program,
    messages,
    walks,
  ]
  const { stderr } = run('valgrind', valgrind.map(String))
  return Number(/Collected : (\d+)/.exec(stderr)[1])
}

const program = build()
const [few, many] = MESSAGES
const poll =
  (count(program, many, WALKS[1]) - count(program, many, WALKS[0])) / (many * (WALKS[1] - WALKS[0]))
const append =
  (count(program, many, WALKS[0]) - count(program, few, WALKS[0])) / (many - few) - poll * WALKS[0]
const counts = { append: Math.round(append), poll: Math.round(poll) }

if (process.argv.includes('--write')) {
  writeFileSync(FILE, `${JSON.stringify(counts, null, 2)}\n`)
} else {
  const stored = JSON.parse(readFileSync(FILE, 'utf8'))
  let worse = false
  for (const [name, instructions] of Object.entries(counts)) {
    const ratio = instructions / stored[name]
    worse ||= ratio > MARGIN
    console.log(`${name}: ${instructions} instructions, stored ${stored[name]} (${ratio.toFixed(2)}x)`)
  }
  if (worse) {
    console.error(
      `More than ${MARGIN}x of the stored count: find out why, or store it with "npm run check:instructions -- --write".`,
    )
    process.exit(1)
  }
}

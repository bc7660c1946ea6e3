/** `npm run torture`: runs the harnesses for a time or a count, and fails on a finding. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

import { bitrot, forge, runCase } from './bitrot.ts'
import { disk } from './disk.ts'
import { useFaults } from './fault.ts'
import type { Finding, Harness, Summary, Task } from './harness.ts'
import { kill } from './kill.ts'
import { missed } from './planted.ts'
import { powercut } from './powercut.ts'
import { soak } from './soak.ts'

const harnesses: readonly Harness[] = [kill, bitrot, forge, disk, powercut, soak]

const usage = `npm run torture -- [harness...] [options]

${harnesses.map(({ name, what }) => `  ${name.padEnd(10)}${what}`).join('\n')}

  --minutes M   the time for all harnesses together
  --short       so much as a build takes: a few thousand cases
  --cases N     damaged or forged logs, for bitrot and forge
  --kills N     kills, for kill
  --opens N     openings, for soak
  --runs N      logs that run out of something, for disk
  --images N    disk images, for powercut
  --points      kill: end processes at places in the core too; see docs/TESTING.md
  --every-bit   bitrot: every bit of the small log first
  --case I      bitrot or forge: this case alone
  --planted     plant faults in the core, one after the other, and fail where one is not found
  --plant NAME  this one alone
  --seed S      the seed; a random one otherwise`

/** No more findings than this are kept of one run. */
const MAX_FINDINGS = 20
const HANG_MS = 60_000

interface Options {
  readonly chosen: readonly Harness[]
  readonly seed: number
  readonly counts: Readonly<Record<string, number | undefined>>
  readonly minutes: number | undefined
  readonly everyBit: boolean
  readonly points: boolean
  readonly only: number | undefined
  readonly planted: boolean
  readonly plant: string | undefined
}

function numberOf(text: string | undefined, name: string): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (!(value >= 0)) throw new Error(`--${name} must be a number, got ${text}`)
  return value
}

function readOptions(): Options {
  const text = { type: 'string' } as const
  const flag = { type: 'boolean' } as const
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      minutes: text,
      cases: text,
      kills: text,
      opens: text,
      runs: text,
      images: text,
      seed: text,
      case: text,
      short: flag,
      'every-bit': flag,
      points: flag,
      planted: flag,
      plant: text,
      help: flag,
    },
  })
  if (values.help === true) {
    console.log(usage)
    process.exit(0)
  }
  const unknown = positionals.find((name) => !harnesses.some((harness) => harness.name === name))
  if (unknown !== undefined) throw new Error(`there is no harness ${unknown}\n\n${usage}`)
  const only = numberOf(values.case, 'case')
  const names = only === undefined || positionals.includes('forge') ? positionals : ['bitrot']
  const chosen = names.length === 0 ? harnesses : harnesses.filter(({ name }) => names.includes(name))
  const short = values.short === true
  const cases = numberOf(values.cases, 'cases')
  const given: Readonly<Record<string, number | undefined>> = {
    bitrot: cases,
    forge: cases,
    kill: numberOf(values.kills, 'kills'),
    disk: numberOf(values.runs, 'runs'),
    powercut: numberOf(values.images, 'images'),
    soak: numberOf(values.opens, 'opens'),
  }
  const counts = Object.fromEntries(
    harnesses.map(({ name, short: few }) => [name, given[name] ?? (short ? few : undefined)]),
  )
  return {
    chosen,
    seed: numberOf(values.seed, 'seed') ?? Math.floor(Math.random() * 2 ** 31),
    counts,
    minutes: numberOf(values.minutes, 'minutes'),
    everyBit: values['every-bit'] === true,
    points: values.points === true,
    only,
    planted: values.planted === true || values.plant !== undefined,
    plant: values.plant,
  }
}

function report({ kind, what, kept, command }: Finding): void {
  if (process.stderr.isTTY) process.stderr.write('\n')
  console.log(`  ${kind}: ${what}\n    kept in ${kept}\n    ${command}`)
}

/** Rewrites one line on a terminal; elsewhere it says something every so often. */
function progressOf(name: string): (line: string) => void {
  const started = Date.now()
  let last = 0
  return (line) => {
    const now = Date.now()
    if (!process.stderr.isTTY && now - last < 10_000) return
    last = now
    const seconds = Math.round((now - started) / 1000)
    process.stderr.write(`${process.stderr.isTTY ? '\r\u001b[K' : ''}${name}: ${line}, ${seconds} s`)
    if (!process.stderr.isTTY) process.stderr.write('\n')
  }
}

function taskOf(harness: Harness, options: Options): Task {
  const { seed, minutes, chosen, everyBit, points } = options
  const count = options.counts[harness.name]
  // Without a count or a time, a minute for each.
  const share = ((minutes ?? chosen.length) / chosen.length) * 60_000
  return {
    seed,
    count,
    until: count === undefined ? Date.now() + share : undefined,
    everyBit,
    points,
    most: MAX_FINDINGS,
    hangMs: HANG_MS,
    keep: mkdtempSync(join(tmpdir(), 'chronicle-torture-')),
    progress: progressOf(harness.name),
    report,
  }
}

function tell(name: string, { counts, findings }: Summary, seed: number, seconds: number): void {
  const counted = Object.entries(counts).map(([what, count]) => `${count} ${what}`)
  const kinds = [
    'lost',
    'invented',
    'wrong',
    'position',
    'untyped',
    'changed',
    'crash',
    'hang',
    'memory',
  ] as const
  const found = kinds.map((kind) => `${findings.filter((one) => one.kind === kind).length} ${kind}`)
  if (process.stderr.isTTY) process.stderr.write('\n')
  console.log(`${name}: ${counted.join(', ')}; ${found.join(', ')}; seed ${seed}, ${seconds.toFixed(0)} s`)
}

/** Runs a harness and tells what it did. Returns whether it found nothing. */
async function runs(harness: Harness, options: Options): Promise<boolean> {
  const task = taskOf(harness, options)
  const started = Date.now()
  const { only, seed } = options
  const summary = only === undefined ? await harness.run(task) : await runCase(task, harness === forge, only)
  tell(harness.name, summary, seed, (Date.now() - started) / 1000)
  if (summary.findings.length > 0) return false
  rmSync(task.keep, { recursive: true })
  return true
}

/** Plants faults in what a harness looks at. Returns whether it found them all. */
async function finds(harness: Harness, options: Options): Promise<boolean> {
  const { plant } = options
  const { names } = harness.planted
  const chosen = plant === undefined ? names : names.filter((name) => name === plant)
  const quiet = { progress: () => undefined, report: plant === undefined ? () => undefined : report }
  const task = { ...taskOf(harness, options), points: true, ...quiet }
  const left = await missed(harness, chosen, task)
  rmSync(task.keep, { recursive: true })
  return left.length === 0
}

async function main(): Promise<void> {
  const options = readOptions()
  const { chosen, planted, plant, points } = options
  if (plant !== undefined && !chosen.some((harness) => harness.planted.names.includes(plant)))
    throw new Error(`no harness here finds ${plant}`)
  if (planted || points || chosen.includes(disk)) useFaults()
  const failed: string[] = []
  for (const harness of chosen) {
    const good = planted ? await finds(harness, options) : await runs(harness, options)
    if (!good) failed.push(harness.name)
  }
  if (failed.length > 0) console.log(`failed: ${failed.join(', ')}; seed ${options.seed}`)
  process.exitCode = failed.length === 0 ? 0 : 1
}

await main()

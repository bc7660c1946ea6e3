/** `npm run torture`: runs the harnesses for a time or a count, and fails on a finding. */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

import { bitrot, forge, runCase } from './bitrot.ts'
import { kill } from './kill.ts'
import { soak } from './soak.ts'
import type { Finding, Harness, Summary, Task } from './harness.ts'

const harnesses: readonly Harness[] = [kill, bitrot, forge, soak]

const usage = `npm run torture -- [harness...] [options]

${harnesses.map(({ name, what }) => `  ${name.padEnd(10)}${what}`).join('\n')}

  --minutes M   the time for all harnesses together
  --short       so much as a build takes: a few thousand cases
  --cases N     damaged or forged logs, for bitrot and forge
  --kills N     kills, for kill
  --opens N     openings, for soak
  --points      kill: end processes at places in the core too; see docs/TESTING.md
  --every-bit   bitrot: every bit of the small log first
  --case I      bitrot or forge: this case alone
  --planted N   with a native part of the feature fault: plant N in it, and fail where no harness finds it
  --seed S      the seed; a random one otherwise`

interface Options {
  readonly chosen: readonly Harness[]
  readonly seed: number
  readonly counts: Readonly<Record<string, number | undefined>>
  readonly minutes: number | undefined
  readonly everyBit: boolean
  readonly points: boolean
  readonly only: number | undefined
  readonly planted: string | undefined
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
      seed: text,
      case: text,
      short: flag,
      'every-bit': flag,
      points: flag,
      planted: text,
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
  const given = {
    bitrot: cases,
    forge: cases,
    kill: numberOf(values.kills, 'kills'),
    soak: numberOf(values.opens, 'opens'),
  }
  const counts = Object.fromEntries(
    harnesses.map(({ name, short: few }) => [
      name,
      given[name as keyof typeof given] ?? (short ? few : undefined),
    ]),
  )
  return {
    chosen,
    seed: numberOf(values.seed, 'seed') ?? Math.floor(Math.random() * 2 ** 31),
    counts,
    minutes: numberOf(values.minutes, 'minutes'),
    everyBit: values['every-bit'] === true,
    points: values.points === true,
    only,
    planted: values.planted,
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

async function main(): Promise<void> {
  const options = readOptions()
  const { only, planted } = options
  // The core looks at this when it is first asked; the processes of the harnesses have it too.
  if (planted !== undefined) process.env['CHRONICLE_PLANTED'] = planted
  let found = false
  for (const harness of options.chosen) {
    const task = taskOf(harness, options)
    const started = Date.now()
    const summary =
      only === undefined ? await harness.run(task) : await runCase(task, harness === forge, only)
    tell(harness.name, summary, options.seed, (Date.now() - started) / 1000)
    found ||= summary.findings.length > 0
  }
  if (planted !== undefined) console.log(found ? `${planted} was found` : `${planted} was not found`)
  process.exitCode = found === (planted !== undefined) ? 0 : 1
}

await main()

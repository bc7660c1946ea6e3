/** `npm run bench -- [part…] [options]`: see README.md in this folder. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

import { describeHost, showHost } from './host.ts'
import { compile, installPeers } from './install.ts'
import { measure, type Line, type Options, type Part } from './measure.ts'
import { growthOf, judge, showGrowth, showLines, showVerdicts, type Growth, type Verdict } from './table.ts'

const partNames = ['append', 'read', 'sync', 'handoff', 'latency', 'open', 'memory', 'growth']

const { values: given, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    size: { type: 'string', multiple: true },
    rounds: { type: 'string', default: '2' },
    dir: { type: 'string', default: tmpdir() },
    full: { type: 'boolean', default: false },
    svg: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})
const unknown = positionals.find((name) => !partNames.includes(name))
if (unknown !== undefined) throw new Error(`there is no part ${unknown}; there are ${partNames.join(', ')}`)

function whole(option: string, text: string): number {
  const value = Number(text)
  if (Number.isInteger(value) && value >= 1) return value
  throw new Error(`--${option} must be a whole number of at least 1, got ${text}`)
}

process.chdir(fileURLToPath(new URL('..', import.meta.url)))
const parent = resolve(given.dir)
mkdirSync(parent, { recursive: true })
const dir = mkdtempSync(join(parent, 'chronicle-bench-'))
const options: Options = {
  dir,
  rounds: whole('rounds', given.rounds),
  full: given.full,
  svg: given.svg,
  ...(given.size === undefined ? {} : { sizes: given.size.map((size) => whole('size', size)) }),
}

function tell(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001B[K${text}`)
}

function say(text: string): void {
  tell('')
  if (!given.json) console.log(`${text}\n`)
}

/** What came of a group. */
interface Result {
  group: string
  unit: string
  lines: Line[]
  verdicts: Verdict[]
  growth?: Growth[]
}

const results: Result[] = []
try {
  installPeers()
  compile()
  const host = await describeHost(dir)
  say(showHost(host))
  for (const name of positionals.length > 0 ? positionals : partNames) {
    const { part } = (await import(`./parts/${name}.ts`)) as { part: Part }
    for (const group of part.groups(options)) {
      const lines = await measure(group, options, tell)
      say(group.steps === undefined ? showLines(group, lines) : showGrowth(group, lines))
      const verdicts = group.targets
        .map((target) => judge(target, lines))
        .filter((verdict) => verdict !== undefined)
      const growth = group.steps === undefined ? {} : { growth: growthOf(group, lines) }
      results.push({ group: group.title, unit: group.unit, lines, verdicts, ...growth })
      if (options.svg) part.draw?.(lines)
    }
  }
  const verdicts = results.flatMap(({ group, verdicts }) => verdicts.map((verdict) => ({ group, verdict })))
  if (verdicts.length > 0) say(showVerdicts(verdicts))
  if (given.json) console.log(JSON.stringify({ host, results }, undefined, 2))
} finally {
  rmSync(dir, { recursive: true, force: true })
}

import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'

/** What one child process is to do, as JSON. */
export interface Job {
  /** The file under `parts/` whose `run` does it. */
  part: string
  [option: string]: string | number | boolean | undefined
}

/** Something that is measured, in a new process each round. */
export interface Contender {
  name: string
  /** Ours, or what ours is held against, each apart: a peer as it comes, that on the JVM, one tuned for this bench, and what none can do without. */
  kind: 'ours' | 'peer' | 'java' | 'extra' | 'floor'
  job: Job
  /** Runs in no more rounds than these, where it takes long and is far behind or settled in itself, or where nothing is held against it. */
  rounds?: number
}

/** What a child prints: figures by name ('' where there is only one) and text to show below the table. */
export interface Outcome {
  values: Record<string, number>
  /** What all threads of the process spent, in the unit of the table. */
  cpu?: number
  note?: string
  /** A percentile curve, to be drawn. */
  points?: [nines: number, ns: number][]
}

/** One line of a table. */
export interface Line {
  name: string
  kind: Contender['kind']
  /** One figure a round. */
  samples: number[]
  /** One a round too, where processor time is measured. */
  cpu?: number[]
  /** Why there is no figure. */
  missing?: string
  note?: string
  points?: [nines: number, ns: number][]
}

/** What a line is held against. Lower is better everywhere. */
export interface Target {
  what: string
  line: string
  /** The fastest line of that kind, the line of that name, or a limit in the table's unit. */
  against: 'peer' | 'java' | 'limit' | (string & {})
  /** How many times faster it must be, or the limit. */
  must?: number
  aim?: number
}

/** One table: contenders that take turns. */
export interface Group {
  title: string
  unit: string
  contenders: Contender[]
  targets: Target[]
  rounds?: number
  /** Where the lines are figures at steps of something that grows: the names of the steps. */
  steps?: string[]
}

export interface Options {
  dir: string
  rounds: number
  sizes?: number[]
  full: boolean
  svg: boolean
}

/** A file under `parts/`: its tables, and what a child process does for one figure. */
export interface Part {
  groups(options: Options): Group[]
  run(job: Job, dir: string): Promise<Outcome>
  /** Draws what was measured, where `--svg` asks for it. */
  draw?(lines: readonly Line[]): void
}

/** The value that this part of the sorted values does not exceed (nearest rank). */
export function percentile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)] ?? NaN
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  return sorted.length % 2 === 1 ? sorted[Math.floor(middle)]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** Nanoseconds for each of `count` messages: on the clock, and of processor time in all threads. */
export async function timed(count: number, work: () => unknown): Promise<{ ns: number; cpu: number }> {
  const [start, before] = [performance.now(), process.cpuUsage()]
  const pending = work()
  if (pending instanceof Promise) await pending
  const [took, { user, system }] = [performance.now() - start, process.cpuUsage(before)]
  return { ns: (took * 1e6) / count, cpu: ((user + system) * 1e3) / count }
}

/** The median duration of so many calls, in milliseconds. */
export function medianMs(times: number, call: (index: number) => unknown): number {
  return median(
    Array.from({ length: times }, (_, index) => {
      const start = performance.now()
      call(index)
      return performance.now() - start
    }),
  )
}

/** Passes that warm a process up, in every language: just-in-time compilers take two or three of 100,000 messages. */
export const WARMING = 3
/** How long a contender makes passes, unless it has made the most by then. */
const BUDGET_MS = 300

/** Passes over `count` messages, of which the first ones warm up: at least, and at most, so many. Tells how many there were, too. */
export async function timedPasses(
  count: number,
  [least, most]: readonly [number, number],
  work: () => unknown,
): Promise<{ passes: number; outcome: Outcome }> {
  const times: Awaited<ReturnType<typeof timed>>[] = []
  const end = performance.now() + BUDGET_MS
  while (times.length < least || (times.length < most && performance.now() < end)) {
    times.push(await timed(count, work))
  }
  const counted = times.slice(WARMING)
  const outcome = {
    values: { '': median(counted.map(({ ns }) => ns)) },
    cpu: median(counted.map(({ cpu }) => cpu)),
  }
  return { passes: times.length, outcome }
}

/** What children run: this folder as plain JavaScript, so that no loader changes the code that is measured. */
export const child = resolve('.cache/bench/bench/child.js')

/** Runs a job in a process and a folder of its own. */
async function runJob(job: Job, parent: string): Promise<Outcome> {
  const dir = mkdtempSync(join(parent, 'bench-'))
  try {
    const { code, stdout, stderr } = await collect([child, JSON.stringify(job), dir])
    if (code !== 0) throw new Error(lastLine(stderr))
    return JSON.parse(stdout) as Outcome
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

function collect(args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  return new Promise((resolve, reject) => {
    const process_ = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    let [stdout, stderr] = ['', '']
    process_.stdout.on('data', (text: Buffer) => (stdout += text.toString()))
    process_.stderr.on('data', (text: Buffer) => (stderr += text.toString()))
    process_.on('error', reject)
    process_.on('close', (code) => resolve({ code, stdout, stderr }))
  })
}

function lastLine(text: string): string {
  const lines = text.split('\n').filter((line) => line.trim() !== '')
  const said = (pattern: RegExp) => lines.find((line) => pattern.test(line))
  return said(/^\w*Error\b/) ?? said(/: /) ?? lines.at(-1) ?? 'ended without a word'
}

/** Measures a group: each round runs each contender once, each time with another one first. */
export async function measure(group: Group, options: Options, tell: (text: string) => void): Promise<Line[]> {
  const lines = new Map<string, Line>()
  const rounds = group.rounds ?? options.rounds
  const missing = new Set<string>()
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < group.contenders.length; turn++) {
      const contender = group.contenders[(turn + round) % group.contenders.length]!
      if (missing.has(contender.name) || round >= (contender.rounds ?? rounds)) continue
      tell(`${group.title}: ${contender.name}, round ${round + 1} of ${rounds}`)
      try {
        record(lines, contender, await runJob(contender.job, options.dir))
      } catch (error) {
        missing.add(contender.name)
        const reason = error instanceof Error ? error.message : String(error)
        lines.set(contender.name, {
          name: contender.name,
          kind: contender.kind,
          samples: [],
          missing: reason,
        })
      }
    }
  }
  // In the order of the group, whatever the order of the first round's answers.
  return group.contenders.flatMap(({ name }) =>
    [...lines.values()].filter((line) => line.name === name || line.name.startsWith(`${name}: `)),
  )
}

function record(lines: Map<string, Line>, contender: Contender, outcome: Outcome): void {
  for (const [key, value] of Object.entries(outcome.values)) {
    const name = key === '' ? contender.name : `${contender.name}: ${key}`
    const line = lines.get(name) ?? { name, kind: contender.kind, samples: [] }
    line.samples.push(value)
    if (outcome.cpu !== undefined) (line.cpu ??= []).push(outcome.cpu)
    if (outcome.note !== undefined) line.note = outcome.note
    if (outcome.points !== undefined) line.points = outcome.points
    lines.set(name, line)
  }
}

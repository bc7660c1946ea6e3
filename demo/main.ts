/** Records rows in a process that is killed and started again, follows them in others, and compares what each of them read. */
import { mkdtemp, rm } from 'node:fs/promises'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'

import { Chronicle } from '../index.ts'
import { Child } from './child.ts'
import { grouped, percentile } from './numbers.ts'
import { Progress } from './progress.ts'
import { Run } from './run.ts'
import { InputError, readSource } from './source.ts'
import { hasColours, sumLines, table, type Line } from './table.ts'
import { differences, type Comparison } from './verdict.ts'

const USAGE = `usage: npm run demo [-- FILE | -]
Records the lines of FILE, or of standard input (-), or the rows of a real data set; compares what is read back.
`
const DIFFERENT = 1
const WRONG_INPUT = 2

/** Does everything in a folder, and returns the exit code. */
async function demonstrate(
  argument: string | undefined,
  folder: string,
  stop: AbortController,
): Promise<number> {
  const { signal } = stop
  const source = await readSource(argument, folder, signal)
  const dir = join(folder, 'log')
  Chronicle.open(dir).close()
  const log = Chronicle.open(dir, { readOnly: true })
  const progress: Progress = new Progress(process.stderr, () => run.status)
  const run = new Run({ source, log, signal, note: (text) => progress.note(text) })
  try {
    progress.note(`recording ${grouped(source.rows)} rows of ${source.name}`)
    const comparisons = await run.finish()
    progress.end()
    report(run, comparisons, log.stats().bytes)
    return differences(comparisons).length === 0 ? 0 : DIFFERENT
  } finally {
    progress.end()
    stop.abort()
    await Child.killAll()
    log.close()
  }
}

function report({ recording, live, late }: Run, comparisons: readonly Comparison[], bytes: number): void {
  const { appendNs, clockNs } = recording
  const clock = appendNs.count === 0 ? '' : `, of which the clock takes ${clockNs.toFixed(0)} ns`
  const followers = live.kills + late.kills
  const repeated = live.repeated + late.repeated
  const lines: Line[] = [
    ['rows', grouped(comparisons[0]?.expected.rows ?? 0)],
    ['bytes on disk', grouped(bytes)],
    ['appends a second', appendNs.count === 0 ? '-' : `${grouped(1e9 / appendNs.mean)} (while appending)`],
    ['one append, median', percentile(appendNs, 50) + clock],
    ['one append, p99.9', `${percentile(appendNs, 99.9)} (some wake the followers)`],
    ['hand-off, median', `${percentile(live.handOffNs, 50)} from the stamp of append to the live follower`],
    ['kills survived', `${recording.kills} of the recorder, ${followers} of followers`],
    ['rows that came again', `${grouped(repeated)}, each counted once`],
    ['SHA-256', ''],
    ...comparisons.flatMap((comparison) => sumLines(comparison, hasColours(process.stdout))),
  ]
  const verdict = differences(comparisons)
  process.stdout.write(`\n${table(lines)}\n`)
  process.stdout.write(verdict.length === 0 ? 'All sums agree.\n' : `${verdict.join('\n')}\n`)
}

async function main(args: readonly string[]): Promise<number> {
  if (args.includes('--help')) {
    process.stdout.write(USAGE)
    return 0
  }
  if (args.length > 1) {
    process.stderr.write(USAGE)
    return WRONG_INPUT
  }
  const stop = new AbortController()
  let stopped: NodeJS.Signals | undefined
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      stopped = signal
      stop.abort()
    })
  }
  const folder = await mkdtemp(join(tmpdir(), 'chronicle-demo-'))
  try {
    return await demonstrate(args[0], folder, stop)
  } catch (error) {
    if (stopped !== undefined) return 128 + constants.signals[stopped]
    const isExpected = error instanceof InputError
    process.stderr.write(`demo: ${isExpected || !(error instanceof Error) ? message(error) : error.stack}\n`)
    return isExpected ? WRONG_INPUT : DIFFERENT
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  }
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

process.exitCode = await main(process.argv.slice(2))

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { found, type Finding, type Harness, type Task } from './harness.ts'

const child = fileURLToPath(new URL('soak/child.mjs', import.meta.url))

/** What the process holds when everything was closed, dropped or terminated. */
export interface Sample {
  readonly opens: number
  readonly workers: number
  /** Descriptors and mappings of the log's files. */
  readonly held: number
  readonly descriptors: number
  readonly mappings: number
  readonly threads: number
  readonly rss: number
  readonly external: number
}

/** How much a count may differ between the beginning and the end; a leak grows beyond that. The engine's heap alone has 230 to 360 mappings. */
const SLACK = {
  descriptors: 4,
  mappings: 200,
  threads: 4,
  rss: 48 << 20,
  external: 4 << 20,
}

/** What grows, where something does: nothing of the log may be held at any time, and the rest has to stay as it was. */
export function growth(samples: readonly Sample[]): string | undefined {
  const holding = samples.find(({ held }) => held > 0)
  if (holding !== undefined)
    return `${holding.held} descriptors and mappings of the log at ${holding.opens} opens`
  const third = Math.ceil(samples.length / 3)
  // The first samples are those of a process that still grows into its work.
  const [early, late] = [samples.slice(1, 1 + third), samples.slice(-third)]
  for (const [name, slack] of Object.entries(SLACK) as [keyof typeof SLACK, number][]) {
    const least = (some: readonly Sample[]): number => Math.min(...some.map((sample) => sample[name]))
    const more = least(late) - least(early)
    if (more > slack) return `${name} have grown by ${more} over ${samples.at(-1)!.opens} opens`
  }
  return undefined
}

interface Watch {
  readonly dir: string
  readonly seed: number
  readonly opens?: number | undefined
  readonly until?: number | undefined
  /** A sample each so many opens. */
  readonly every: number
  /** Workers are started and terminated once in so many opens, or never. */
  readonly crews: number
  /** What is planted: something that is never given back. */
  readonly leak?: 'log' | 'descriptor' | 'memory' | undefined
  readonly tell?: ((sample: Sample) => void) | undefined
}

/** Watches a process that opens and closes. Returns what it held each time, and how it ended. */
export async function watch({ until, opens = Number.MAX_SAFE_INTEGER, tell, ...work }: Watch) {
  const argument = JSON.stringify({ ...work, opens })
  const execArgv = ['--expose-gc', '--import', 'tsx']
  const soaking = fork(child, [argument], { execArgv, stdio: ['ignore', 'inherit', 'pipe', 'ipc'] })
  const samples: Sample[] = []
  let stderr = ''
  soaking.stderr!.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  soaking.on('message', (sample: Sample) => {
    samples.push(sample)
    tell?.(sample)
    if (until !== undefined && Date.now() >= until && soaking.connected) soaking.send('stop')
  })
  const [code, signal] = (await once(soaking, 'close')) as [number | null, string | null]
  return { samples, failure: code === 0 ? undefined : `code ${code}, signal ${signal}: ${stderr}` }
}

/** Opens and closes for hours: what is given back must be given back whole. */
export const soak: Harness = {
  name: 'soak',
  what: 'opening, closing, dropping and terminating leaves nothing behind',
  short: 1000,
  // What is planted is in what it watches: see `__test__/torture.spec.ts`.
  planted: { count: 0, names: [] },
  run: async (task: Task) => {
    const findings: Finding[] = []
    if (!existsSync('/proc/self/maps')) {
      console.log('soak: this system does not tell what a process holds, and so nothing was run')
      return { counts: { opens: 0 }, findings }
    }
    const { seed, count: opens, until, keep } = task
    const folder = mkdtempSync(join(tmpdir(), 'chronicle-soak-'))
    const tell = (sample: Sample): void => {
      const { rss, descriptors, mappings, threads } = sample
      const size = `${Math.round(rss / 2 ** 20)} MiB, ${descriptors} descriptors, ${mappings} mappings, ${threads} threads`
      task.progress(`${sample.opens} opens, ${sample.workers} workers, ${size}`)
    }
    const every = opens === undefined ? 1000 : Math.max(50, Math.floor(opens / 20))
    try {
      const dir = join(folder, 'log')
      const { samples, failure } = await watch({ dir, seed, opens, until, every, crews: 200, tell })
      const what = failure ?? growth(samples)
      const command = `npm run torture -- soak --opens ${samples.at(-1)?.opens ?? opens} --seed ${seed}`
      const kind = failure === undefined ? 'memory' : 'crash'
      if (what !== undefined) found(task, findings, { kind, what, kept: keep, command })
      const [first, last] = [samples[1], samples.at(-1)]
      const mebibytes = (sample: Sample | undefined): number => Math.round((sample?.rss ?? 0) / 2 ** 20)
      const counts = {
        opens: last?.opens ?? 0,
        'workers terminated': last?.workers ?? 0,
        'MiB at first': mebibytes(first),
        'MiB at last': mebibytes(last),
        descriptors: last?.descriptors ?? 0,
        mappings: last?.mappings ?? 0,
      }
      return { counts, findings }
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  },
}

import { spawn } from 'node:child_process'
import { once } from 'node:events'

import { add, found, goesOn, type Finding, type Harness, type Task } from './harness.ts'

/** So many images are built and checked between two looks at the clock. */
const CHUNK = 20_000
/** Seeds that a chunk cannot use up. */
const SEEDS = 10_000

/** Runs the simulator of power cuts, which is a test of the core. */
export const powercut: Harness = {
  name: 'powercut',
  what: 'power cuts leave what was promised',
  short: 2000,
  // What it finds is planted by a test of its own: `planted.rs`.
  planted: { count: 0, names: [] },
  run: async (task) => {
    const counts: Record<string, number> = { images: 0 }
    const findings: Finding[] = []
    for (let chunk = 0; goesOn(task, counts['images']!, findings); chunk++) {
      const left = (task.count ?? Infinity) - counts['images']!
      add(counts, await simulate(task, task.seed + chunk * SEEDS, Math.min(CHUNK, left), findings))
      task.progress(`${counts['images']} images, ${findings.length} findings`)
    }
    return { counts, findings }
  },
}

async function simulate(
  task: Task,
  seed: number,
  images: number,
  findings: Finding[],
): Promise<Record<string, number>> {
  const env = { ...process.env, CHRONICLE_POWER_SEED: `${seed}`, CHRONICLE_POWER_IMAGES: `${images}` }
  // Built with the features of the suites, so that nothing is built again.
  const features = ['--workspace', '--exclude', 'chronicle-node', '--all-features', '--quiet']
  const test = ['a_power_cut_at_any_moment_leaves_what_was_promised', '--exact', '--nocapture']
  const command = ['test', ...features, '--test', 'powercut', '--', ...test]
  const child = spawn('cargo', command, { env, stdio: ['ignore', 'ignore', 'pipe'] })
  let told = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (told += text))
  const [code] = (await once(child, 'close')) as [number | null]
  const counts: Record<string, number> = {}
  for (const [, checked, killed] of told.matchAll(/^(\d+) images from .*, (\d+) of them/gm)) {
    add(counts, { images: Number(checked), 'of those: of killed processes': Number(killed) })
  }
  if (code !== 0 || counts['images'] === undefined) {
    const [, again = 'cargo test --features fault --test powercut'] = /again: (.*)$/m.exec(told) ?? []
    const [, kept = 'nowhere'] = /kept in (.*)$/m.exec(told) ?? []
    const what = told.split('\n').filter((line) => !/^\d+ images/.test(line))
    found(task, findings, { kind: 'lost', what: what.join('\n    '), kept, command: again })
    counts['images'] ??= images
  }
  return counts
}

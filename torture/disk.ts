import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { mount, whyNotMounted } from '../__test__/helpers/disk.ts'
import { add, found, goesOn, type Finding, type Harness, type Task } from './harness.ts'
import { requireAgreement } from './kill/agreement.ts'
import { Ledger, Violation } from './kill/ledger.ts'
import { Random } from './random.ts'

const peer = fileURLToPath(new URL('disk/peer.mjs', import.meta.url))

const kinds = ['tmpfs', 'ext4', 'descriptors', 'calls'] as const
type Kind = (typeof kinds)[number]

/** What one process runs out of. */
type Shortage =
  | { kind: 'none' }
  | { kind: 'room'; ballast: string }
  | { kind: 'descriptors'; left: number }
  | { kind: 'calls'; errno: number; times: number; failed: string }

const HANG_MS = 60_000
/** Descriptors that a process may have which is to run out of them. */
const DESCRIPTORS = 64
/** Given back to a full disk: enough for what has failed, and for what comes then. */
const BALLAST_BYTES = 2 << 20
const ENOSPC = 28
const EIO = 5

/** Lets disks, descriptors and calls run out, and looks at what is left and whether it goes on. */
export const disk: Harness = {
  name: 'disk',
  what: 'what runs out or fails loses nothing, says so, and goes on',
  short: 60,
  run: async (task) => {
    const possible = kinds.filter((kind) => whyNot(kind) === undefined)
    const counts: Record<string, number> = { runs: 0 }
    const findings: Finding[] = []
    for (let run = 0; goesOn(task, run, findings); run++) {
      await new Starvation(task, run, possible[run % possible.length]!, counts, findings).run()
      counts['runs'] = run + 1
      task.progress(`${run + 1} runs, ${findings.length} findings`)
    }
    return { counts, findings }
  },
  planted: {
    count: 60,
    names: ['flush.ignored', 'space.misnamed', 'space.unreserved', 'temporary.kept'],
  },
}

/** Why this machine cannot let this run out. */
function whyNot(kind: Kind): string | undefined {
  if (kind === 'tmpfs' || kind === 'ext4') return whyNotMounted(kind)
  return process.platform === 'win32' ? 'not on Windows' : undefined
}

/** One log, and the processes that work on it one after the other, each of which runs out of something. */
class Starvation {
  readonly #task: Task
  readonly #run: number
  readonly #kind: Kind
  readonly #random: Random
  readonly #seed: number
  readonly #counts: Record<string, number>
  readonly #findings: Finding[]
  readonly #folder: string

  constructor(task: Task, run: number, kind: Kind, counts: Record<string, number>, findings: Finding[]) {
    this.#task = task
    this.#run = run
    this.#kind = kind
    this.#random = new Random(task.seed, run, 3)
    this.#seed = this.#random.next()
    this.#counts = counts
    this.#findings = findings
    this.#folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'chronicle-starving-'))
  }

  async run(): Promise<void> {
    const [root, remove] =
      this.#kind === 'tmpfs' || this.#kind === 'ext4'
        ? mount(this.#kind, (5 << 20) + this.#random.below(4 << 20))
        : [this.#folder, () => undefined]
    const dir = join(root, 'log')
    const ledger = new Ledger(dir, this.#seed, join(this.#folder, 'told'))
    let life = 0
    try {
      for (const lives = 1 + this.#random.below(2); life < lives; life++) {
        await this.#live(root, dir, ledger, life, life + 1 === lives)
        add(this.#counts, { messages: ledger.afterWriter(life)['messages'] ?? 0 })
        ledger.afterCommitter('billing')
      }
      await requireAgreement(dir, ledger.end)
    } catch (error) {
      if (!(error instanceof Violation)) throw error
      this.#found(dir, `${this.#kind}, life ${life}`, error)
    } finally {
      remove()
      rmSync(this.#folder, { recursive: true, force: true })
    }
  }

  async #live(root: string, dir: string, ledger: Ledger, life: number, isLast: boolean): Promise<void> {
    const random = this.#random
    // A disk is filled once, by the last process.
    const shortage: Shortage = isLast || this.#kind === 'calls' ? this.#shortageIn(root) : { kind: 'none' }
    // A real disk would take minutes to be filled with a flush for each message.
    const often = this.#kind === 'ext4' ? 'none' : 'always'
    const sync = random.pick(['none', { everyMs: 1 }, often] as const)
    const steps = shortage.kind === 'room' ? 20_000 : random.below(300)
    const keepMessages = random.pick([100, 1000, 100_000])
    const [told, toldReader] = [ledger.told('writer'), ledger.told('reader-billing')]
    const role = {
      dir,
      told,
      toldReader,
      sync,
      seed: this.#seed,
      life,
      shortage,
      steps,
      more: 30,
      keepMessages,
    }
    const env = { ...process.env }
    if (shortage.kind === 'calls') {
      env['CHRONICLE_FAIL'] = `${shortage.errno}:${1 + random.below(300)}:${shortage.times}`
      env['CHRONICLE_FAIL_TOLD'] = shortage.failed
    }
    const failures = await this.#work(role, env, shortage.kind === 'descriptors')
    if (failures.length > 0) add(this.#counts, { [`${this.#kind} ran out`]: 1 })
  }

  #shortageIn(root: string): Shortage {
    const random = this.#random
    if (this.#kind === 'descriptors') return { kind: 'descriptors', left: random.below(16) }
    if (this.#kind === 'calls') {
      const failed = join(this.#folder, 'failed')
      rmSync(failed, { force: true })
      return { kind: 'calls', errno: random.pick([ENOSPC, EIO]), times: random.pick([1, 1, 3]), failed }
    }
    // So little is left that one in three runs out of it at once, while it creates or recovers.
    const ballast = join(root, 'ballast')
    const { bavail, bsize } = statfsSync(root)
    const left = random.oneIn(3) ? random.below(200_000) : random.below(4 << 20)
    writeFileSync(
      ballast,
      Buffer.alloc(Math.max(Math.min(BALLAST_BYTES, bavail * bsize), bavail * bsize - left)),
    )
    return { kind: 'room', ballast }
  }

  /** Runs one process to its end. Returns what has failed in it, as it must. */
  async #work(role: object, env: NodeJS.ProcessEnv, limited: boolean): Promise<readonly string[]> {
    const [command, args] = limited
      ? ['sh', ['-c', `ulimit -n ${DESCRIPTORS} && exec "$0" "$1"`, process.execPath, peer]]
      : [process.execPath, [peer]]
    const child = spawn(command, args, { env, stdio: ['ignore', 'inherit', 'pipe', 'ipc'] })
    let stderr = ''
    let failures: readonly string[] = []
    child.stderr!.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    child.on('message', (message: { failures: readonly string[] }) => (failures = message.failures))
    let hung = false
    const timer = setTimeout(() => (hung = child.kill('SIGKILL')), HANG_MS)
    child.send(role, () => undefined)
    const [code, signal] = (await once(child, 'close')) as [number | null, string | null]
    clearTimeout(timer)
    if (hung) throw new Violation('hang', `no end within ${HANG_MS} ms`)
    if (signal !== null) throw new Violation('crash', `signal ${signal}: ${stderr}`)
    if (code !== 0) throw new Violation('wrong', /^\w*Error: .*$/m.exec(stderr)?.[0] ?? stderr)
    return failures
  }

  #found(dir: string, where: string, { kind, message }: Violation): void {
    const { seed, keep } = this.#task
    const kept = join(keep, `disk-${seed}-${this.#run}`)
    if (existsSync(dir)) cpSync(dir, kept, { recursive: true })
    const command = `npm run torture -- disk --runs ${this.#run + 1} --seed ${seed}`
    found(this.#task, this.#findings, { kind, what: `run ${this.#run}, ${where}: ${message}`, kept, command })
  }
}

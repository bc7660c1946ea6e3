import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

import { Chronicle } from '../index.ts'
import { add, found, goesOn, type Finding, type Harness, type Task } from './harness.ts'
import { requireAgreement } from './kill/agreement.ts'
import { Crew, type Member, type Role } from './kill/crew.ts'
import { Ledger, Violation } from './kill/ledger.ts'
import { Random } from './random.ts'

/** How many writers one log sees, one after the other. */
const LIVES = 10
const READERS = ['billing', 'audit']
const BEGIN_MS = 60_000

/** Where the core ends itself when it is asked to: see `fault.rs`. */
const POINTS = [
  'batch.written',
  'batch.published',
  'create.control',
  'create.segment',
  'position.half',
  'position.written',
  'prune.intended',
  'prune.removed',
  'record.published',
  'record.written',
  'recovery.ended',
  'recovery.settled',
  'recovery.walked',
  'recovery.zeroed',
  'roll.created',
  'roll.ended',
  'roll.named',
]

/** The places that show what is planted. */
const REVEALING: Readonly<Record<string, readonly string[]>> = {
  'batch.forward': ['batch.published'],
  'position.overwritten': ['position.half'],
  'publish.early': ['record.published'],
}

/** Kills processes that write, read, prune and commit, and looks at what is left. */
export const kill: Harness = {
  name: 'kill',
  what: 'killed processes lose and invent nothing',
  short: 200,
  planted: {
    count: 600,
    names: ['batch.forward', 'epoch.kept', 'position.overwritten', 'publish.early'],
  },
  run: async (task) => {
    const random = new Random(task.seed, 1)
    const points = REVEALING[process.env['CHRONICLE_PLANT'] ?? ''] ?? POINTS
    const point = () =>
      task.points && random.oneIn(2) ? `${random.pick(points)}:${1 + random.below(30)}` : undefined
    const crew = new Crew(3, point)
    const counts: Record<string, number> = { kills: 0 }
    const findings: Finding[] = []
    try {
      for (let log = 0; goesOn(task, counts['kills']!, findings); log++) {
        const killing = new Killing(task, log, crew, counts, findings)
        await killing.run()
        task.progress(`${counts['kills']} kills, ${counts['messages']} messages, ${findings.length} findings`)
      }
    } finally {
      await crew.dismiss()
    }
    return { counts, findings }
  },
}

/** One log and the processes that work on it. */
class Killing {
  readonly #task: Task
  readonly #random: Random
  readonly #crew: Crew
  readonly #counts: Record<string, number>
  readonly #findings: Finding[]
  readonly #folder = mkdtempSync(join(tmpdir(), 'chronicle-kill-'))
  readonly #dir = join(this.#folder, 'log')
  readonly #ledger: Ledger
  readonly #seed: number
  #members: Member[] = []
  #life = 0

  constructor(task: Task, log: number, crew: Crew, counts: Record<string, number>, findings: Finding[]) {
    this.#task = task
    this.#random = new Random(task.seed, log, 2)
    this.#crew = crew
    this.#counts = counts
    this.#findings = findings
    this.#seed = this.#random.next()
    this.#ledger = new Ledger(this.#dir, this.#seed)
  }

  async run(): Promise<void> {
    try {
      Chronicle.open(this.#dir, { segmentBytes: 65_536 }).close()
      for (this.#life = 0; this.#life < LIVES; this.#life++) {
        await this.#live()
        if (!goesOn(this.#task, this.#counts['kills']!, this.#findings)) break
      }
      await this.#killAll(() => true)
      await requireAgreement(this.#dir, this.#ledger.end)
      add(this.#counts, { logs: 1 })
    } catch (error) {
      if (!(error instanceof Violation)) throw error
      this.#found(error)
    } finally {
      await Promise.all(this.#members.map((member) => member.kill()))
      rmSync(this.#folder, { recursive: true, force: true })
    }
  }

  /** A writer lives for a moment, with others beside it; then it and some of them are killed, and the log is looked at. */
  async #live(): Promise<void> {
    const random = this.#random
    const sync = random.pick(['none', 'none', { everyMs: 1 }, { everyMs: 5 }, 'always'] as const)
    const [dir, seed, life, told] = [this.#dir, this.#seed, this.#life, this.#ledger.told('writer')]
    const writing = this.#begin({ role: 'write', dir, told, sync, seed, life })
    // One in four is killed while it opens the log, and so while it recovers.
    if (!random.oneIn(4)) await writing
    for (const role of this.#company()) void this.#begin(role)
    await pause(random.below(25))
    await this.#killAll(({ role }) => role?.role === 'write' || role?.role === 'prune' || random.oneIn(2))
    add(this.#counts, this.#ledger.afterWriter(life))
    for (const name of READERS) add(this.#counts, this.#ledger.afterCommitter(name))
  }

  /** Who joins the writer: at most three at a time, each name once. */
  #company(): Role[] {
    const random = this.#random
    const [dir, seed] = [this.#dir, this.#seed]
    const names = this.#members.flatMap(({ role }) => (role?.role === 'commit' ? [role.name] : []))
    const roles: Role[] = []
    const name = random.pick(READERS)
    if (!names.includes(name))
      roles.push({ role: 'commit', dir, told: this.#ledger.told(`reader-${name}`), seed, name })
    if (random.oneIn(3)) roles.push({ role: 'prune', dir, keepMessages: random.below(2000) })
    if (random.oneIn(3)) roles.push({ role: 'tail', dir, seed, from: random.pick(['start', 'end']) })
    return roles.slice(0, Math.max(0, 4 - this.#members.length))
  }

  async #begin(role: Role): Promise<void> {
    const member = this.#crew.next()
    this.#members.push(member)
    const late = new AbortController()
    const timeout = pause(BEGIN_MS, true, { signal: late.signal, ref: false }).catch(() => false)
    const isLate = await Promise.race([member.begin(role).then(() => false), timeout])
    late.abort()
    if (isLate) this.#found(new Violation('hang', `${role.role} has not begun within ${BEGIN_MS} ms`))
  }

  /** Kills in a random order the members that are chosen. One that has ended by itself is a finding. */
  async #killAll(isChosen: (member: Member) => boolean): Promise<void> {
    const chosen = this.#members.filter(isChosen)
    this.#members = this.#members.filter((member) => !chosen.includes(member))
    const order = chosen
      .map((member) => ({ member, at: this.#random.next() }))
      .toSorted((a, b) => a.at - b.at)
    for (const { member } of order) {
      const ended = await member.kill()
      add(this.#counts, { kills: 1, [`of those: ${member.role?.role}`]: 1 })
      if (ended !== undefined) {
        const kind = /SIG(SEGV|BUS|ABRT|ILL)/.test(ended) ? 'crash' : 'wrong'
        this.#found(new Violation(kind, `${member.role?.role} ended by itself: ${ended}`))
      }
    }
  }

  #found({ kind, message }: Violation): void {
    const { seed, keep, points } = this.#task
    const kept = join(keep, `kill-${seed}-${this.#findings.length}`)
    if (existsSync(this.#dir)) cpSync(this.#dir, kept, { recursive: true })
    const command = `npm run torture -- kill --kills ${this.#counts['kills']! + 50} --seed ${seed}${points ? ' --points' : ''}`
    found(this.#task, this.#findings, { kind, what: `life ${this.#life}: ${message}`, kept, command })
  }
}

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import type { Group, Said } from './bitrot/child.ts'
import { add, found, goesOn, type Finding, type Harness, type Summary, type Task } from './harness.ts'

const child = fileURLToPath(new URL('bitrot/child.ts', import.meta.url))

/** Where files are made and damaged: in memory, where the system has a place for that. */
const memory = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()

const GROUP = 500

/** Damages files of a sound log, and lets everything read and open them. */
export const bitrot: Harness = {
  name: 'bitrot',
  what: 'damaged files give the right data or a typed error',
  short: 3000,
  run: (task) => runAll(task, false),
  planted: {
    count: 6000,
    names: ['header.unchecked', 'payload.unchecked', 'quarantine.skipped', 'segment.unchecked'],
  },
}

/** Writes other values under right checksums, and lets everything read and open them. */
export const forge: Harness = {
  name: 'forge',
  what: 'forged files give an end or a typed error',
  short: 3000,
  run: (task) => runAll(task, true),
  planted: { count: 6000, names: ['index.unbounded', 'length.unbounded', 'prune.awaited'] },
}

async function runAll(task: Task, isForged: boolean): Promise<Summary> {
  const folder = mkdtempSync(join(memory, 'chronicle-bitrot-'))
  const counts: Record<string, number> = { cases: 0 }
  const findings: Finding[] = []
  let next = 0
  try {
    while (goesOn(task, next, findings)) {
      const last = Math.min(next + GROUP, task.count ?? Infinity)
      add(counts, await runGroup(task, groupOf(task, isForged, folder, next, last), findings))
      next = last
      task.progress(`${next} damaged logs, ${findings.length} findings`)
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  return { counts, findings }
}

function groupOf(
  { seed, keep, everyBit, most }: Task,
  isForged: boolean,
  folder: string,
  first: number,
  last: number,
): Group {
  return { folder, keep, seed, first, last, everyBit, most, forge: isForged }
}

async function runGroup(task: Task, group: Group, findings: Finding[]): Promise<Record<string, number>> {
  const counts: Record<string, number> = {}
  const worker = fork(child, [JSON.stringify(group)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  worker.on('message', (said: Said) => {
    if ('fault' in said) {
      const { kind, what, index, kept } = said.fault
      found(task, findings, { kind, what, kept, command: commandOf(group, index) })
    } else {
      counts['cases'] = said.done
      if (group.everyBit)
        counts['bits of the small log'] = Math.min(said.bits, group.last) - Math.min(said.bits, group.first)
      for (const [outcome, count] of Object.entries(said.outcomes)) counts[outcome] = count
    }
  })
  const watch = watchFor(group, task.hangMs, () => worker.kill('SIGKILL'))
  const [code, signal] = (await once(worker, 'close')) as [number | null, string | null]
  const hung = watch()
  if (code !== 0)
    found(task, findings, crashed(group, hung ? 'hang' : 'crash', `exit code ${code}, signal ${signal}`))
  return counts
}

/** Calls back when the group stays at one case for too long. Returns how to stop watching, which tells whether it did. */
function watchFor(group: Group, hangMs: number, hang: () => void): () => boolean {
  let last = ''
  let since = Date.now()
  let hung = false
  const timer = setInterval(() => {
    const now = currentCase(group)
    if (now !== last) since = Date.now()
    last = now
    if (Date.now() - since < hangMs) return
    hung = true
    hang()
  }, 1000)
  return () => {
    clearInterval(timer)
    return hung
  }
}

function currentCase({ folder }: Group): string {
  const path = join(folder, 'case')
  return existsSync(path) ? readFileSync(path, 'latin1').trim() : ''
}

function crashed(group: Group, kind: 'crash' | 'hang', how: string): Finding {
  const index = Number(currentCase(group))
  const kept = join(group.keep, `${group.forge ? 'forge' : 'bitrot'}-${group.seed}-${index}`)
  cpSync(join(group.folder, 'log'), join(kept, 'left'), { recursive: true })
  return { kind, what: `case ${index}: ${how}`, kept, command: commandOf(group, index) }
}

function commandOf({ seed, everyBit, forge }: Group, index: number): string {
  const name = forge ? 'forge' : 'bitrot'
  return `npm run torture -- ${name} --seed ${seed} --case ${index}${everyBit ? ' --every-bit' : ''}`
}

/** One case of a run again. */
export async function runCase(task: Task, isForged: boolean, index: number): Promise<Summary> {
  const folder = mkdtempSync(join(memory, 'chronicle-bitrot-'))
  const findings: Finding[] = []
  const counts = await runGroup(task, groupOf(task, isForged, folder, index, index + 1), findings)
  rmSync(folder, { recursive: true, force: true })
  return { counts, findings }
}

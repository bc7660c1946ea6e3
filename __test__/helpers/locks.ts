/** What other processes do to the writer lock. */
import { spawn } from 'node:child_process'
import { closeSync, openSync, unlinkSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'

import { Chronicle, ChronicleError } from '../../index.ts'
import { Random } from './random.ts'

/** What a racer appends while it has the lock. */
export interface Win {
  pid: number
  win: number
}

/** Takes the lock, at once where it is free and by waiting where it is not. Returns whether it had to wait. */
function take(log: Chronicle): boolean {
  try {
    log.acquire()
    return false
  } catch (error) {
    if (!(error instanceof ChronicleError) || error.code !== 'ERR_CHRONICLE_LOCKED') throw error
  }
  log.acquire({ wait: 60_000 })
  return true
}

/** Wins the lock so many times, and fails when anybody else has it too: then the file that marks it is there already. */
export async function race(dir: string, wins: number): Promise<{ waited: number }> {
  const marker = `${dir}.held`
  const random = new Random(process.pid)
  let waited = 0
  for (let win = 0; win < wins; win++) {
    const log = Chronicle.open(dir, { sync: 'none' })
    if (take(log)) waited++
    closeSync(openSync(marker, 'wx'))
    log.append(JSON.stringify({ pid: process.pid, win } satisfies Win), { expectedSeq: log.nextSeq })
    unlinkSync(marker)
    log.close()
    await pause(random.below(3))
  }
  return { waited }
}

/** Takes the lock and starts a process that outlives this one, with all that a child inherits. Returns its pid. */
export function holdWithChild(dir: string): number {
  const log = Chronicle.open(dir)
  log.append('mine')
  const child = spawn(process.execPath, ['--eval', 'setTimeout(() => undefined, 120_000)'], {
    stdio: 'inherit',
  })
  return child.pid!
}

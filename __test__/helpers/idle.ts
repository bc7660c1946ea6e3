/** What a process does that has nothing to do. */
import { readFileSync, readdirSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'

import { Chronicle } from '../../index.ts'

/** How often the threads of this process have gone to sleep: each of them was awake so many times. */
function sleeps(): number {
  let count = 0
  for (const thread of readdirSync('/proc/self/task')) {
    const status = readFileSync(`/proc/self/task/${thread}/status`, 'utf8')
    count += Number(/^voluntary_ctxt_switches:\s+(\d+)$/m.exec(status)?.[1])
  }
  return count
}

/** What waiting took. */
export interface Idleness {
  /** How often a thread woke up. */
  wakeUps: number
  /** What all threads together took of a CPU, in microseconds. */
  cpuUs: number
}

/** Waits in tails for so many milliseconds. Returns what that took, and a promise of the text that each of them waits for. */
export async function idle(dir: string, ms: number): Promise<[Idleness, Promise<(string | undefined)[]>]> {
  const log = Chronicle.open(dir)
  const tails = Array.from({ length: 4 }, () => log.tail({ keepAlive: true }))
  const texts = Promise.all(tails.map(async (tail) => (await tail.next()).value?.text()))
  // What starting up has left to do is not counted.
  await pause(1500)
  const before = sleeps()
  const cpu = process.cpuUsage()
  await pause(ms)
  const { user, system } = process.cpuUsage(cpu)
  return [{ wakeUps: sleeps() - before, cpuUs: user + system }, texts.finally(() => log.close())]
}

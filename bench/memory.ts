import { closeSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Resident memory of this process, in MiB, where the system tells it. */
export interface Memory {
  /** Its own: heaps and stacks. */
  anonymous: number
  /** Pages of mapped files, which the system may take back at any time. */
  mapped: number
}

export function residentMemory(): Memory {
  if (process.platform !== 'linux') return { anonymous: NaN, mapped: NaN }
  const status = readFileSync('/proc/self/status', 'utf8')
  const mib = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)![1]) / 1024
  return { anonymous: mib('RssAnon'), mapped: mib('RssFile') }
}

/** What this process holds, in MiB, once what nobody needs is given back, so that no step counts what another left. */
export function ownMemory(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  return residentMemory().anonymous
}

const PIECE = Buffer.alloc(8 << 20, 1)
/** A machine that takes memory back faster than it is warmed stays cold. */
const WARMING_TIMES = 6

/**
 * Has the machine use so much memory as it can give to files then, until all of it is there. The host of a virtual machine takes free memory
 * back, and what it has to find again takes fifteen times as long as a page that is there: whoever came first would pay for all.
 */
export function warmMemory(dir: string, bytes: number): void {
  const path = join(dir, 'warming')
  for (let times = 0; times < WARMING_TIMES; times++) {
    let [least, most] = [Infinity, 0]
    const file = openSync(path, 'w')
    try {
      for (let at = 0; at < bytes; at += PIECE.length) {
        const start = performance.now()
        writeSync(file, PIECE)
        const took = performance.now() - start
        least = Math.min(least, took)
        most = Math.max(most, took)
      }
    } finally {
      closeSync(file)
      rmSync(path)
    }
    if (most < 4 * least) return
  }
}

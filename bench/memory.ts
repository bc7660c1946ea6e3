import { readFileSync } from 'node:fs'
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

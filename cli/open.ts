import { Chronicle, type OpenOptions } from '../index.ts'

import { duration, flag } from './kinds.ts'

/** Options of every command that opens a chronicle. */
export const opening = {
  'allow-network-fs': flag('open on a network file system, where one host alone uses it'),
}

/** Options of commands that append. */
export const writing = {
  ...opening,
  'no-create': flag('fail where there is no chronicle yet'),
  wait: duration('how long to wait while another process writes; 0s by default', { most: 2 ** 31 - 1 }),
}

interface Opening {
  readonly 'allow-network-fs'?: boolean
}

interface Writing extends Opening {
  readonly 'no-create'?: boolean
  readonly wait?: number
}

/** A chronicle that this command does not write to. */
export function openToRead(dir: string, { 'allow-network-fs': allowNetworkFs }: Opening): Chronicle {
  return Chronicle.open(dir, { readOnly: true, allowNetworkFs })
}

/** A chronicle whose readers or files this command changes, without appending. */
export function openToManage(dir: string, { 'allow-network-fs': allowNetworkFs }: Opening): Chronicle {
  return Chronicle.open(dir, { create: false, sync: 'none', allowNetworkFs })
}

/** A chronicle that this command appends to: it has the writer lock. */
export function openToAppend(dir: string, options: Writing, more: OpenOptions = {}): Chronicle {
  const { 'allow-network-fs': allowNetworkFs, 'no-create': noCreate = false, wait } = options
  const log = Chronicle.open(dir, { create: !noCreate, allowNetworkFs, ...more })
  try {
    log.acquire({ wait })
    return log
  } catch (error) {
    log.close()
    throw error
  }
}

import { pathToFileURL } from 'node:url'

import type { Chronicle as Log, OpenOptions } from '../../index.ts'
import { byCallers } from './callers.ts'
import { groups, type Way } from './store.ts'

/** The built package, as users get it; the types are those of the sources. */
const built = pathToFileURL('dist/index.mjs').href
const { Chronicle } = (await import(built)) as { Chronicle: typeof Log }

/** Opens a log; it flushes unasked no more than peers do that were told not to. */
export function openLog(dir: string, options: OpenOptions = { sync: 'none' }): Log {
  return Chronicle.open(`${dir}/log`, options)
}

/** The iterator, whose payloads stay valid. */
function iterate(log: Log, see: (payload: Uint8Array) => void): void {
  for (const message of log.read()) see(message.payload)
}

/** The cursor, whose payload is valid until the next step. */
function walk(log: Log, see: (payload: Uint8Array) => void): void {
  const cursor = log.cursor()
  while (cursor.next()) see(cursor.payload)
  cursor.close()
}

type Write = (log: Log, payloads: Parameters<Awaited<ReturnType<Way>>['write']>[0]) => void | Promise<void>

function way(write: Write, read = iterate): Way {
  return async (dir) => {
    const log = openLog(dir)
    return {
      write: (payloads) => write(log, payloads),
      read: (see) => read(log, see),
      close: () => log.close(),
    }
  }
}

const append: Write = (log, payloads) => {
  for (let index = 0; index < payloads.length; index++) log.append(payloads[index]!)
}

const batch: Write = (log, payloads) => {
  for (const [, part] of groups(payloads, 256)) log.appendBatch(part)
}

const sync: Write = (log, payloads) =>
  byCallers(payloads, async (payload) => {
    log.append(payload)
    await log.sync()
  })

export const ways = { append: way(append), batch: way(batch), sync: way(sync), cursor: way(batch, walk) }

/** Walks a log that was filled, without a look at the payloads, though they are copied and checked all the same. */
export function sumLog(dir: string): number {
  const log = openLog(dir, { readOnly: true })
  const cursor = log.cursor()
  let sum = 0
  while (cursor.next()) sum += cursor.length + cursor.seq
  log.close()
  return sum
}

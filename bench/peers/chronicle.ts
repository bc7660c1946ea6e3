import { pathToFileURL } from 'node:url'

import type { Chronicle as Log, CursorOptions, Message, OpenOptions, ReadOptions } from '../../index.ts'
import type { Payload } from '../payloads.ts'
import { byCallers } from './callers.ts'
import { groups, type Way } from './store.ts'

/** The built package, as users get it; the types are those of the sources. */
const built = pathToFileURL('dist/index.mjs').href
const { Chronicle } = (await import(built)) as { Chronicle: typeof Log }

/** Opens a log; it flushes unasked no more than peers do that were told not to. */
export function openLog(dir: string, options: OpenOptions = { sync: 'none' }): Log {
  return Chronicle.open(`${dir}/log`, options)
}

type Write = (log: Log, payloads: readonly Payload[]) => void | Promise<void>
type Read = (log: Log, see: (payload: Payload) => void) => void
type Take = (message: Message) => Payload

const bytes: Take = (message) => message.payload
const text: Take = (message) => message.text()
const parsed: Take = (message) => message.json<{ text: string }>().text

/** The iterator, whose payloads stay valid. */
function iterate(options?: ReadOptions, take = bytes): Read {
  return (log, see) => {
    for (const message of log.read(options)) see(take(message))
  }
}

/** The cursor, whose payload is valid until the next step. */
function walk(options?: CursorOptions, take = bytes): Read {
  return (log, see) => {
    const cursor = log.cursor(options)
    while (cursor.next()) see(take(cursor))
    cursor.close()
  }
}

function way(write: Write, read = iterate()): Way {
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

/** Objects with a text in each. */
const objects: Write = (log, payloads) =>
  batch(
    log,
    payloads.map((text) => JSON.stringify({ text })),
  )

const views = { payload: 'view' } as const

export const ways = {
  append: way(append),
  batch: way(batch),
  sync: way(sync),
  reverse: way(batch, iterate({ reverse: true })),
  iteratorViews: way(batch, iterate(views)),
  iteratorText: way(batch, iterate({}, text)),
  iteratorJson: way(objects, iterate({}, parsed)),
  cursor: way(batch, walk()),
  cursorViews: way(batch, walk(views)),
  cursorText: way(batch, walk({}, text)),
  cursorJson: way(objects, walk({}, parsed)),
}

/** Walks an open log, without a look at the payloads, though they are copied and checked all the same. */
export function sum(log: Log): number {
  const cursor = log.cursor()
  let sum = 0
  while (cursor.next()) sum += cursor.length + cursor.seq
  cursor.close()
  return sum
}

import type { Payload } from '../payloads.ts'
import { byCallers } from './callers.ts'
import { GROUP, groups, load, type Way } from './store.ts'

/** What is stored: a payload, or an object with one in it. */
type Value = Payload | { text: Payload }

interface Database {
  put(key: number, value: Value): Promise<boolean>
  putSync(key: number, value: Payload): boolean
  transactionSync(work: () => void): void
  getRange(): Iterable<{ key: number; value: unknown }>
  getBinaryFast(key: number): Uint8Array | undefined
  flushed: Promise<unknown>
  close(): Promise<void>
}

const { open } = load<{ open(options: object): Database }>('lmdb')

type Write = (db: Database, first: number, payloads: readonly Payload[]) => void | Promise<void>
type Read = (db: Database, count: number, see: (payload: Payload) => void) => void

function way(write: Write, read: Read = byRange, options: object = { noSync: true }): Way {
  return async (dir, text) => {
    const encoding = text ? 'string' : 'binary'
    const db = open({ path: `${dir}/lmdb`, keyEncoding: 'uint32', encoding, noMemInit: true, ...options })
    let next = 0
    return {
      async write(payloads) {
        await write(db, next, payloads)
        next += payloads.length
      },
      read: (see) => read(db, next, see),
      close: () => db.close(),
    }
  }
}

const byRange: Read = (db, _count, see) => {
  for (const { value } of db.getRange()) see(value as Payload)
}

const byKey: Read = (db, count, see) => {
  for (let key = 0; key < count; key++) see(db.getBinaryFast(key)!)
}

function transaction(db: Database, first: number, payloads: readonly Value[]): void {
  for (const [at, part] of groups(payloads)) {
    db.transactionSync(() => {
      for (let index = 0; index < part.length; index++) void db.put(first + at + index, part[index]!)
    })
  }
}

/** Its own batching: what is put in one turn of the event loop is committed together, on another thread. */
const async_ = way(async (db, first, payloads) => {
  let last: Promise<boolean> | undefined
  for (let index = 0; index < payloads.length; index++) {
    last = db.put(first + index, payloads[index]!)
    if (index % (10 * GROUP) === 0) await last
  }
  await last
})

const json = way(
  (db, first, payloads) =>
    transaction(
      db,
      first,
      payloads.map((text) => ({ text })),
    ),
  (db, _count, see) => {
    for (const { value } of db.getRange()) see((value as { text: Payload }).text)
  },
  { noSync: true, encoding: 'json' },
)

const each = way((db, first, payloads) => {
  for (let index = 0; index < payloads.length; index++) db.putSync(first + index, payloads[index]!)
})

const flushed = way(
  async (db, first, payloads) => {
    let next = first
    await byCallers(payloads, async (payload) => {
      await db.put(next++, payload)
      await db.flushed
    })
  },
  byRange,
  {},
)

export const ways = {
  transaction: way(transaction),
  byKey: way(transaction, byKey),
  json,
  async: async_,
  each,
  flushed,
}

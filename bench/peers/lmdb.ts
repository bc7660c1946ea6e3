import type { Payload } from '../payloads.ts'
import { byCallers } from './callers.ts'
import { GROUP, groups, load, type Store, type Way } from './store.ts'

interface Database {
  put(key: number, value: Payload): Promise<boolean>
  putSync(key: number, value: Payload): boolean
  transactionSync(work: () => void): void
  getRange(): Iterable<{ key: number; value: Payload }>
  getBinaryFast(key: number): Uint8Array | undefined
  flushed: Promise<unknown>
  close(): Promise<void>
}

const { open } = load<{ open(options: object): Database }>('lmdb')

function way(write: (db: Database, first: number, payloads: readonly Payload[]) => void | Promise<void>): Way {
  return async (dir, text) => store(dir, text, { noSync: true }, write)
}

function store(
  dir: string,
  text: boolean,
  options: object,
  write: (db: Database, first: number, payloads: readonly Payload[]) => void | Promise<void>,
): Store {
  const encoding = text ? 'string' : 'binary'
  const db = open({ path: `${dir}/lmdb`, keyEncoding: 'uint32', encoding, noMemInit: true, ...options })
  let next = 0
  return {
    async write(payloads) {
      await write(db, next, payloads)
      next += payloads.length
    },
    read(see) {
      for (const { value } of db.getRange()) see(value)
    },
    close: () => db.close(),
  }
}

const transaction = way((db, first, payloads) => {
  for (const [at, part] of groups(payloads)) {
    db.transactionSync(() => {
      for (let index = 0; index < part.length; index++) void db.put(first + at + index, part[index]!)
    })
  }
})

/** Its own batching: what is put in one turn of the event loop is committed together, on another thread. */
const async_ = way(async (db, first, payloads) => {
  let last: Promise<boolean> | undefined
  for (let index = 0; index < payloads.length; index++) {
    last = db.put(first + index, payloads[index]!)
    if (index % (10 * GROUP) === 0) await last
  }
  await last
})

const each = way((db, first, payloads) => {
  for (let index = 0; index < payloads.length; index++) db.putSync(first + index, payloads[index]!)
})

const flushed: Way = async (dir, text) =>
  store(dir, text, {}, async (db, first, payloads) => {
    let next = first
    await byCallers(payloads, async (payload) => {
      await db.put(next++, payload)
      await db.flushed
    })
  })

const byKey: Way = async (dir, text) => {
  const filled = await transaction(dir, text)
  let count = 0
  const db = open({ path: `${dir}/lmdb`, keyEncoding: 'uint32', encoding: 'binary' })
  return {
    ...filled,
    async write(payloads) {
      await filled.write(payloads)
      count += payloads.length
    },
    read(see) {
      for (let key = 0; key < count; key++) see(db.getBinaryFast(key)!)
    },
  }
}

export const ways = { transaction, async: async_, each, flushed, byKey }

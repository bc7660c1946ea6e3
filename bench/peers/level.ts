import type { Payload } from '../payloads.ts'
import { byCallers } from './callers.ts'
import { groups, load, type Store, type Way } from './store.ts'

interface Values {
  nextv(count: number): Promise<Payload[]>
  close(): Promise<void>
}

interface Level {
  open(): Promise<void>
  put(key: Uint8Array, value: Payload, options?: object): Promise<void>
  batch(operations: object[]): Promise<void>
  values(): Values
  close(): Promise<void>
}

const { ClassicLevel } = load<{ ClassicLevel: new (path: string, options: object) => Level }>('classic-level')

function key(seq: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(8)
  bytes.writeUInt32BE(seq, 4)
  bytes.writeUInt32BE(0, 0)
  return bytes
}

function way(write: (db: Level, first: number, payloads: readonly Payload[]) => Promise<void>): Way {
  return async (dir, text): Promise<Store> => {
    const valueEncoding = text ? 'utf8' : 'view'
    const db = new ClassicLevel(`${dir}/level`, { keyEncoding: 'view', valueEncoding, compression: false })
    await db.open()
    let next = 0
    return {
      async write(payloads) {
        await write(db, next, payloads)
        next += payloads.length
      },
      async read(see) {
        const values = db.values()
        for (;;) {
          const part = await values.nextv(1000)
          if (part.length === 0) break
          for (const value of part) see(value)
        }
        await values.close()
      },
      close: () => db.close(),
    }
  }
}

const batch = way(async (db, first, payloads) => {
  for (const [at, part] of groups(payloads)) {
    await db.batch(part.map((value, index) => ({ type: 'put', key: key(first + at + index), value })))
  }
})

const durable = way(async (db, first, payloads) => {
  let next = first
  await byCallers(payloads, (payload) => db.put(key(next++), payload, { sync: true }))
})

export const ways = { batch, durable }

import type { Payload } from '../payloads.ts'
import { groups, load, type Way } from './store.ts'

interface Statement {
  run(...values: unknown[]): unknown
  pluck(): Statement
  iterate(): Iterable<Payload>
}

interface Database {
  pragma(text: string): unknown
  exec(text: string): unknown
  prepare(text: string): Statement
  close(): void
}

const Database = load<new (path: string) => Database>('better-sqlite3')

type Turn = (payload: Payload) => Payload

const asItIs: Turn = (payload) => payload
const toJson: Turn = (text) => JSON.stringify({ text })
const fromJson: Turn = (text) => (JSON.parse(text as string) as { text: string }).text

/** Write-ahead log; `rows` a transaction. */
function way(synchronous: 'NORMAL' | 'FULL', rows: number, encode = asItIs, decode = asItIs): Way {
  return async (dir) => {
    const db = new Database(`${dir}/sqlite`)
    db.pragma('journal_mode = WAL')
    db.pragma(`synchronous = ${synchronous}`)
    db.exec('CREATE TABLE log (seq INTEGER PRIMARY KEY, body NOT NULL)')
    const insert = db.prepare('INSERT INTO log (body) VALUES (?)')
    const [begin, commit] = [db.prepare('BEGIN'), db.prepare('COMMIT')]
    const body = db.prepare('SELECT body FROM log ORDER BY seq').pluck()
    return {
      write(payloads) {
        for (const [, part] of groups(payloads, rows)) {
          if (rows > 1) begin.run()
          for (const payload of part) insert.run(encode(payload))
          if (rows > 1) commit.run()
        }
      },
      read(see) {
        for (const payload of body.iterate()) see(decode(payload))
      },
      close: () => db.close(),
    }
  }
}

export const ways = {
  transaction: way('NORMAL', 1000),
  json: way('NORMAL', 1000, toJson, fromJson),
  each: way('NORMAL', 1),
  durable: way('FULL', 1),
}

// An outbox beside SQLite. An order and the event about it are stored in one transaction; a relay then hands each event over to the log
// exactly once, wherever it is killed. Both number the events alike, so the end of the log says which one is next, and
// `expectedSeq` refuses any other. A row goes when its event survives a power cut.
//
//   node outbox.ts [folder] [orders]        (Node.js 22.13 or newer, for node:sqlite)
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

import { Chronicle } from 'chronicle-log'

const folder = process.argv[2] ?? './outbox'
const orders = Number(process.argv[3] ?? 1000)
const BATCH = 16

mkdirSync(folder, { recursive: true })
const db = new DatabaseSync(join(folder, 'orders.db'))
db.exec(`
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, total INTEGER NOT NULL);
  CREATE TABLE IF NOT EXISTS outbox (seq INTEGER PRIMARY KEY, event TEXT NOT NULL);
  CREATE TABLE IF NOT EXISTS counter (next INTEGER NOT NULL);
  INSERT INTO counter SELECT 0 WHERE NOT EXISTS (SELECT * FROM counter);
`)
const insertOrder = db.prepare('INSERT INTO orders (total) VALUES (?)')
const takeSeq = db.prepare('UPDATE counter SET next = next + 1 RETURNING next - 1 AS seq')
const insertEvent = db.prepare('INSERT INTO outbox VALUES (?, ?)')
const nextEvents = db.prepare('SELECT seq, event FROM outbox WHERE seq >= ? ORDER BY seq LIMIT ?')
const deleteEvents = db.prepare('DELETE FROM outbox WHERE seq < ?')
const status = db.prepare(
  'SELECT (SELECT count(*) FROM orders) AS placed, (SELECT min(seq) FROM outbox) AS waiting',
)

/** The business transaction: the order and its event are both there, or neither is. */
function placeOrder(total: number): void {
  db.exec('BEGIN IMMEDIATE')
  try {
    const { lastInsertRowid: id } = insertOrder.run(total)
    const { seq } = takeSeq.get() as { seq: number }
    insertEvent.run(seq, JSON.stringify({ order: Number(id), total }))
    db.exec('COMMIT')
  } catch (error) {
    db.exec('ROLLBACK')
    throw error
  }
}

/** Hands over what the log does not have yet, then forgets what no failure can take from it. Returns how many events it moved. */
async function relay(log: Chronicle): Promise<number> {
  const events = nextEvents.all(log.nextSeq, BATCH) as { seq: number; event: string }[]
  const [first] = events
  if (first !== undefined)
    log.appendBatch(
      events.map(({ event }) => event),
      { expectedSeq: first.seq },
    )
  deleteEvents.run(await log.sync())
  return events.length
}

// The relay alone writes to this log, and the lock sees to it that there is one relay.
const log = Chronicle.open(join(folder, 'events'))
log.acquire()
const { placed, waiting } = status.get() as { placed: number; waiting: number | null }
console.log(
  `${placed} orders, the log goes on at ${log.nextSeq}, the outbox begins at ${waiting ?? log.nextSeq}`,
)
for (let number = placed; number < orders; number++) {
  placeOrder(number % 100)
  if (number % BATCH === 0) await relay(log)
}
while ((await relay(log)) > 0);
console.log(`${Math.max(placed, orders)} orders, ${log.nextSeq} events in the log`)
log.close()
db.close()

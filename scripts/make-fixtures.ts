/**
 * Makes the fixtures of the format version that this version writes, those that are not there yet: a fixture that was released stays
 * as it is for ever. `npm run make:fixtures`.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'

import { Chronicle, type Payload } from '../index.ts'
import { fixtures, pack, sha256, type FixtureMessage, type Manifest } from '../__test__/helpers/fixture.ts'
import { payloadOf, typeOf } from '../__test__/helpers/payloads.ts'
import { readText } from '../__test__/helpers/repository.ts'
import { VERSION } from '../__test__/reference/preamble.ts'
import { readPosition, readerNames } from '../__test__/reference/position.ts'
import { survey, segmentBases, type Message } from '../__test__/reference/log.ts'
import { HEADER_BYTES, readHeader } from '../__test__/reference/header.ts'
import { FIRST_RECORD, openSegment } from '../__test__/reference/segment.ts'

const segmentBytes = 65_536

/** What was appended, by seq: what the manifest says, and not what a reader found. */
class Given {
  readonly payloads: { type: number; bytes: Uint8Array }[] = []

  append(log: Chronicle, payload: Payload, type = 0): void {
    log.append(payload, { type })
    this.#keep(payload, type)
  }

  batch(log: Chronicle, payloads: readonly Payload[]): void {
    log.appendBatch(payloads.map((payload, index) => ({ payload, type: index })))
    for (const [index, payload] of payloads.entries()) this.#keep(payload, index)
  }

  claimed(seq: number, type: number, bytes: Uint8Array): void {
    if (seq !== this.payloads.length) throw new Error(`claimed ${seq}`)
    this.#keep(bytes, type)
  }

  #keep(payload: Payload, type: number): void {
    const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload
    this.payloads.push({ type, bytes })
  }
}

interface Fixture {
  readonly holds: string
  /** Fills the directory and tells what was appended. */
  readonly make: (dir: string) => Promise<Given>
}

const all: Record<string, Fixture> = {
  untouched: {
    holds: 'a chronicle that was created and never opened for writing',
    make: async (dir) => {
      Chronicle.open(dir, { segmentBytes }).close()
      return new Given()
    },
  },
  everything: {
    holds:
      'three openings with texts, bytes, empty payloads, claims, batches, rolls, unused tails, records with a segment of their own, index entries and named readers',
    make: everything,
  },
  pruned: {
    holds: 'what a prune left of everything, up to the slower named reader',
    make: pruned,
  },
  'killed-append': {
    holds: 'a writer that was killed within an append, whose record is not published',
    make: (dir) => killed(dir, 'append'),
  },
  'killed-claim': {
    holds: 'a writer that was killed with a claim half filled, and a tail that held its position',
    make: (dir) => killed(dir, 'claim'),
  },
  'killed-batch': {
    holds: 'a writer that was killed within a batch, whose later records are published and its first is not',
    make: (dir) => killed(dir, 'batch'),
  },
}

async function everything(dir: string): Promise<Given> {
  const given = new Given()
  for (let opening = 0; opening < 3; opening++) {
    const log = Chronicle.open(dir, { segmentBytes, sync: 'none' })
    given.append(log, `opening ${opening}: grüße, 日本, 𝄞`, 65_535)
    given.append(log, '', 1)
    for (let count = 0; count < 12; count++) {
      const seq = given.payloads.length
      given.append(log, payloadOf(seq), typeOf(seq))
    }
    given.batch(log, ['first', '', Buffer.alloc(3000, 'b'), payloadOf(7)])
    given.append(log, Buffer.alloc(50_000, 'fills most of a segment '))
    given.append(log, Buffer.alloc(150_000 + opening, 'has a segment of its own '))
    await log.sync()
    given.append(log, Buffer.alloc(40_000, 'and the next one '))
    given.batch(log, [Buffer.alloc(70_000, 'starts far in '), 'within the batch', Buffer.alloc(10)])
    given.append(log, `the last of opening ${opening}`)
    const claim = log.claim(500)
    claim.write(payloadOf(40), 100)
    given.claimed(claim.publish({ type: 77 }), 77, Buffer.concat([Buffer.alloc(100), payloadOf(40)], 500))
    await readAs(log, 'billing', 5)
    if (opening === 1) await readAs(log, 'prüfung 2', 50)
    await log.sync()
    log.close()
  }
  return given
}

/** Handles some messages under a name, and commits them in two steps. */
async function readAs(log: Chronicle, name: string, count: number): Promise<void> {
  const tail = log.tail({ name })
  const first = tail.committed ?? 0
  for await (const message of tail) {
    if (message.seq === first + 1 || message.seq === first + count - 1) message.commit()
    if (message.seq === first + count) break
  }
}

async function pruned(dir: string): Promise<Given> {
  const given = await everything(dir)
  const log = Chronicle.open(dir)
  log.setReader('billing', 42)
  log.prune({ keepMessages: 1 })
  log.close()
  return given
}

const TRIES = 500

/** Kills writers, sooner where the last one was done and later where it had not begun, until one has left what is looked for. */
async function killed(dir: string, how: 'append' | 'batch' | 'claim'): Promise<Given> {
  let nanoseconds = 1_000_000
  for (let attempt = 0; attempt < TRIES; attempt++) {
    rmSync(dir, { recursive: true, force: true })
    const child = [...process.execArgv, fileURLToPath(import.meta.url), 'be-killed', dir, how]
    const { signal, stderr } = spawnSync(process.execPath, [...child, `${nanoseconds}`], { encoding: 'utf8' })
    if (signal !== 'SIGKILL') throw new Error(`the writer was not killed: ${stderr}`)
    const left = leftBehind(dir)
    if (left === (how === 'claim' ? 'append' : how)) return beforeTheKill()
    nanoseconds = Math.round(nanoseconds * (left === 'published' ? 0.7 + Math.random() * 0.25 : 1.1))
  }
  throw new Error(`no writer of ${TRIES} was killed within its ${how}`)
}

/** What the killed writer has done: nothing yet, an append or a batch in part, or all of it. */
function leftBehind(dir: string): 'nothing' | 'append' | 'batch' | 'published' {
  const { messages, end, control, refusal } = survey(dir)
  if (refusal !== undefined || end === undefined) throw refusal ?? new Error('no end')
  if (messages.length > BEFORE_THE_KILL) return 'published'
  const base = segmentBases(dir).at(-1)!
  const { file } = openSegment(dir, base, control.id)
  const rest = file.subarray(end.seq === base ? FIRST_RECORD : end.offset)
  if (rest.every((byte) => byte === 0)) return 'nothing'
  for (let at = HEADER_BYTES; at < rest.length; at += HEADER_BYTES) {
    if (isPublished(rest.subarray(at, at + HEADER_BYTES))) return 'batch'
  }
  return 'append'
}

function isPublished(bytes: Buffer): boolean {
  try {
    return readHeader(bytes, { path: '' }) !== undefined
  } catch {
    return false
  }
}

const BEFORE_THE_KILL = 20

function beforeTheKill(): Given {
  const given = new Given()
  for (let seq = 0; seq < BEFORE_THE_KILL; seq++)
    given.payloads.push({ type: typeOf(seq), bytes: payloadOf(seq) })
  return given
}

/** The writer that is killed: a thread of its own process does it at the given time after the append begins. */
function beKilled(dir: string, how: string, nanoseconds: number): void {
  const flags = new Int32Array(new SharedArrayBuffer(8))
  const killer = `
    const { workerData } = require('node:worker_threads')
    Atomics.store(workerData, 0, 1)
    while (Atomics.load(workerData, 1) === 0);
    const until = process.hrtime.bigint() + ${nanoseconds}n
    while (process.hrtime.bigint() < until);
    process.kill(process.pid, 'SIGKILL')`
  const worker = new Worker(killer, { eval: true, workerData: flags })
  const log = Chronicle.open(dir, { segmentBytes, sync: 'none' })
  for (let seq = 0; seq < BEFORE_THE_KILL; seq++) log.append(payloadOf(seq), { type: typeOf(seq) })
  const batch = Array.from({ length: 5000 }, () => '')
  const record = Buffer.alloc(2_000_000, 'never published ')
  const wait = setInterval(() => {
    if (Atomics.load(flags, 0) === 0) return
    clearInterval(wait)
    Atomics.store(flags, 1, 1)
    if (how === 'batch') log.appendBatch(batch)
    else if (how === 'append') log.append(record)
    else void tailAndClaim(log)
  }, 1)
  worker.on('error', (error) => {
    throw error
  })
}

async function tailAndClaim(log: Chronicle): Promise<void> {
  const tail = log.tail({ name: 'killed' })
  for (let count = 0; count < 12; count++) (await tail.next()).value?.commit()
  const claim = log.claim(30_000)
  claim.write(Buffer.alloc(20_000, 'never published '))
}

function manifestOf({ holds }: Fixture, dir: string, given: Given): Manifest {
  const found = survey(dir)
  const { control, messages } = found
  if (found.refusal !== undefined || found.firstSeq + messages.length !== given.payloads.length) {
    throw new Error(`${messages.length} messages of ${given.payloads.length}: ${found.refusal?.message}`)
  }
  const segments = segmentBases(dir).map((base) => {
    const { file } = openSegment(dir, base, control.id)
    return [`${base}`, { bytes: file.length }] as const
  })
  const readers = readerNames(dir).map(
    (name) => [name, { nextSeq: readPosition(dir, name, control.id).nextSeq }] as const,
  )
  return {
    madeBy: (JSON.parse(readText('package.json')) as { version: string }).version,
    holds,
    segmentBytes,
    firstSeq: found.firstSeq,
    nextSeq: given.payloads.length,
    durablePoint: control.durablePoint,
    epoch: control.epoch,
    segments: Object.fromEntries(segments),
    readers: Object.fromEntries(readers),
    messages: messages.map((message) => entry(given.payloads[message.seq]!, message)),
  }
}

function entry({ type, bytes }: Given['payloads'][number], message: Message): FixtureMessage {
  const { seq, timestampNs, batchRemaining, epoch } = message
  const length = bytes.length
  return { seq, type, length, sha256: sha256(bytes), timestampNs: `${timestampNs}`, batchRemaining, epoch }
}

async function main(): Promise<void> {
  for (const [name, fixture] of Object.entries(all)) {
    const path = `${VERSION}/${name}`
    if (existsSync(join(fixtures, path))) continue
    const folder = mkdtempSync(join(tmpdir(), 'chronicle-fixture-'))
    const dir = join(folder, 'log')
    try {
      const given = await fixture.make(dir)
      pack(dir, path, manifestOf(fixture, dir, given))
      console.log(`made ${path}`)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }
}

const [task, ...rest] = process.argv.slice(2)
if (task === 'be-killed') beKilled(rest[0]!, rest[1]!, Number(rest[2]))
else await main()

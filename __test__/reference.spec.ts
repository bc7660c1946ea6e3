import { existsSync, readFileSync as readBytes } from 'node:fs'
import { join } from 'node:path'

import test from 'ava'

import { MessageHeader, type Chronicle } from '../index.ts'
import { bases, flip, overwrite, reseal, resealRecord, segment } from './helpers/files.ts'
import { listFiles, readText } from './helpers/repository.ts'
import { folder, fresh, nowhere, opened } from './helpers/temporary.ts'
import { crc32, crc32ByTable } from './reference/crc.ts'
import { expectedIndex, readIndex } from './reference/index.ts'
import { survey, type Found } from './reference/log.ts'
import { readPosition, readerNames } from './reference/position.ts'

/** The fields that both readers know of a message. */
function told(messages: Iterable<Parameters<typeof fields>[0]>): unknown[] {
  return [...messages].map(fields)
}

function fields({ seq, type, length, timestampNs, batchRemaining, payload }: Told): unknown {
  return { seq, type, length, timestampNs, batchRemaining, payload: Buffer.from(payload).toString('base64') }
}

interface Told {
  readonly seq: number
  readonly type: number
  readonly length: number
  readonly timestampNs: bigint
  readonly batchRemaining: number
  readonly payload: Uint8Array
}

/** Mixed work: strings, bytes, nothing, batches, records larger than a segment, and rolls. */
function fill(log: Chronicle, rounds: number): void {
  for (let round = 0; round < rounds; round++) {
    log.append(`round ${round} of äöü € 𝄞`, { type: round })
    log.append(Buffer.alloc((round * 7919) % 5000, round))
    log.append('')
    log.appendBatch(Array.from({ length: 1 + (round % 9) }, (_, index) => 'b'.repeat(index * 300)))
    if (round % 7 === 3) log.append(Buffer.alloc(70_000 + round, round))
    if (round % 5 === 4)
      log.appendBatch([Buffer.alloc(60_000), { payload: 'of the same batch', type: 65_535 }])
  }
}

function problem({ refusal }: Found): unknown {
  return refusal && { kind: refusal.kind, path: refusal.path, offset: refusal.offset, seq: refusal.seq }
}

test('the checksum is that of the core and of the document', (t) => {
  for (const [text, sum] of [
    ['', 0],
    ['hello', 0x3610a686],
    ['123456789', 0xcbf43926],
  ] as const) {
    t.is(crc32(Buffer.from(text)), sum)
    t.is(crc32ByTable(Buffer.from(text)), sum)
  }
  const bytes = Buffer.from(Array.from({ length: 1000 }, (_, index) => (index * index) % 251))
  t.is(crc32(bytes), MessageHeader.crc32(bytes))
  t.is(crc32ByTable(bytes), MessageHeader.crc32(bytes))
})

test('the reference shares no code with the package', (t) => {
  const sources = listFiles().filter((name) => name.startsWith('__test__/reference/'))
  t.true(sources.length >= 7)
  for (const name of sources) {
    for (const [, from = ''] of readText(name).matchAll(/from '([^']+)'/g))
      t.regex(from, /^(node:|\.\/\w+\.ts$)/)
  }
})

test('an empty log ends at its first place', (t) => {
  const log = fresh(t)
  const found = survey(log.path)
  t.deepEqual(found.messages, [])
  t.is(found.refusal, undefined)
  t.like(found.end, { path: segment(log.path), offset: 4096, seq: 0 })
  // No writer has recovered it yet.
  t.like(found.control, { epoch: 0, sameBoot: false })
  log.acquire()
  t.like(survey(log.path).control, { epoch: 1, sameBoot: process.platform === 'linux' })
})

test('both readers find the same messages, over openings, batches, rolls and large records', async (t) => {
  const dir = nowhere(t)
  for (let opening = 1; opening <= 4; opening++) {
    const log = opened(t, dir, { segmentBytes: 65_536 })
    fill(log, 20)
    if (opening % 2 === 0) await log.sync()
    const read = told(log.read())
    const { nextSeq, durableSeq, firstSeq } = log
    const whileOpen = survey(dir)
    t.deepEqual(told(whileOpen.messages), read)
    t.is(whileOpen.control.durableSeq, durableSeq)
    log.close()
    const found = survey(dir)
    t.is(found.refusal, undefined)
    t.deepEqual(told(found.messages), read)
    t.is(found.end?.seq, nextSeq)
    t.is(found.firstSeq, firstSeq)
    t.like(found.control, { headSeq: nextSeq, durablePoint: nextSeq, epoch: opening, writerPid: 0 })
    t.is(found.messages.at(-1)?.epoch, opening)
  }
  t.true(bases(dir).length > 10)
})

test('the index files hold the entries that the document says', (t) => {
  const log = fresh(t, { segmentBytes: 1 << 20 })
  fill(log, 300)
  log.close()
  const { messages, control } = survey(log.path)
  for (const base of bases(log.path)) {
    const own = messages.filter(({ path }) => path === segment(log.path, base))
    t.deepEqual(readIndex(log.path, base, control.id), expectedIndex(own), String(base))
  }
})

test('both readers find the same positions', async (t) => {
  const log = fresh(t)
  t.deepEqual(readerNames(log.path), [])
  fill(log, 10)
  for (let round = 0; round < 5; round++) {
    for (const name of ['billing', 'Zählung', '_']) {
      for await (const message of log.tail({ name, newFrom: 3 })) {
        if (message.seq % 3 > 0) message.commit()
        if (message.seq % 10 === 9) break
      }
      log.setReader('moved', round)
    }
    const { id } = survey(log.path).control
    const positions = readerNames(log.path).map((name) => readPosition(log.path, name, id))
    t.deepEqual(
      positions.map(({ name, nextSeq }) => ({ name, nextSeq })),
      log.readers().map(({ name, nextSeq }) => ({ name, nextSeq })),
    )
    t.is(positions.length, 4)
  }
})

test('damage is refused by kind and place, behind the messages before it', (t) => {
  const log = fresh(t)
  const path = segment(log.path)
  for (const text of ['first', 'second', 'third']) log.append(text)
  log.close()
  const second = { path, offset: 4096 + 128, seq: 1 }
  const damages: [() => void, string, object?][] = [
    [() => flip(path, second.offset + 64), 'CORRUPT', second],
    [() => flip(path, second.offset + 8), 'CORRUPT', second],
    [() => flip(path, second.offset + 26), 'CORRUPT', second],
    [
      () => resealRecord(path, second.offset, (header) => header.writeUInt8(0x81, 26)),
      'UNSUPPORTED_FEATURE',
      second,
    ],
    [
      () => resealRecord(path, second.offset, (header) => header.writeUInt8(1, 40)),
      'UNSUPPORTED_FEATURE',
      second,
    ],
    [
      () => resealRecord(path, second.offset, (header) => header.writeUInt32LE(65_000, 16)),
      'OUT_OF_BOUNDS',
      second,
    ],
    [() => resealRecord(path, second.offset, (header) => header.writeUInt32LE(0, 32)), 'CORRUPT', second],
    [() => resealRecord(path, second.offset, (header) => header.writeUInt32LE(1, 28)), 'CORRUPT'],
    [() => resealRecord(path, second.offset, (header) => header.writeUInt32LE(2, 0)), 'CORRUPT', second],
    [() => overwrite(path, second.offset, Buffer.alloc(64)), 'CORRUPT', second],
  ]
  const healthy = survey(log.path)
  t.is(healthy.messages.length, 3)
  const before = Buffer.from(readBytes(path))
  for (const [damage, kind, place] of damages) {
    damage()
    const found = survey(log.path)
    t.is(found.refusal?.kind, kind as never)
    if (place !== undefined) {
      t.deepEqual(problem(found), { kind, ...place })
      t.deepEqual(told(found.messages), told(healthy.messages.slice(0, 1)))
    }
    overwrite(path, 0, before)
  }
  t.deepEqual(survey(log.path), healthy)
})

test('headers of files are refused by name', (t) => {
  const log = fresh(t)
  fill(log, 30)
  log.close()
  const control = join(log.path, 'control')
  const last = segment(log.path, bases(log.path).at(-1))
  const before = survey(log.path)
  t.is(before.refusal, undefined)
  const refusals: [string, (file: Buffer) => void, string][] = [
    [last, (header) => header.write('CHRONICL'), 'BAD_MAGIC'],
    [last, (header) => header.writeUInt32LE(2, 8), 'UNSUPPORTED_VERSION'],
    [last, (header) => header.writeUInt32LE(1, 12), 'UNSUPPORTED_FEATURE'],
    [last, (header) => header.writeUInt8(1, 24), 'CORRUPT'],
    [last, (header) => header.writeUInt32LE(0, 72), 'CORRUPT'],
    [last, (header) => header.writeUInt32LE(4096, 48), 'CORRUPT'],
    [last, (header) => header.writeUInt32LE(2 ** 31, 48), 'TRUNCATED'],
  ]
  for (const [path, change, kind] of refusals) {
    const header = Buffer.from(readBytes(path).subarray(0, 4096))
    reseal(path, 0, 4096, change)
    const found = survey(log.path)
    t.is(found.refusal?.kind, kind as never)
    t.is(found.refusal?.path, path)
    overwrite(path, 0, header)
  }
  reseal(control, 0, 64, (header) => header.writeUInt32LE(1, 12))
  t.throws(() => survey(log.path), { message: /UNSUPPORTED_FEATURE/ })
})

test('a directory without a chronicle is refused', (t) => {
  const empty = folder(t)
  t.throws(() => survey(empty), { message: /NOT_FOUND/ })
  t.false(existsSync(join(empty, 'control')))
})

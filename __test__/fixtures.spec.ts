import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import test, { type ExecutionContext } from 'ava'

import { ChronicleError, type Message } from '../index.ts'
import {
  bases,
  bytesAt,
  indexOf,
  overwrite,
  reseal,
  resealRecord,
  segment,
  snapshot,
} from './helpers/files.ts'
import { fixtureNames, readManifest, sha256, unpack, type Manifest } from './helpers/fixture.ts'
import { refuses } from './helpers/refusal.ts'
import { nowhere, opened } from './helpers/temporary.ts'
import { thisBoot } from './reference/control.ts'
import { crc32 } from './reference/crc.ts'
import { Refusal, survey } from './reference/log.ts'
import { readPosition } from './reference/position.ts'

/** The boot in which a fixture pretends to be written: a log is trusted further in its own. */
const boots = thisBoot() === undefined ? ['another'] : ['another', 'this']

function copy(t: ExecutionContext, name: string, boot = 'another'): string {
  const dir = nowhere(t)
  unpack(name, dir)
  const id = boot === 'this' ? thisBoot()! : Buffer.alloc(16, 'another boot')
  const sum = Buffer.alloc(4)
  sum.writeUInt32LE(crc32(id))
  // A chronicle that nobody has opened for writing has no boot.
  if (readManifest(name).epoch > 0) overwrite(join(dir, 'control'), 320, Buffer.concat([id, sum]))
  return dir
}

type Told = Pick<Message, 'seq' | 'type' | 'length' | 'timestampNs' | 'batchRemaining' | 'payload'>

function told(messages: Iterable<Told>): object[] {
  return Array.from(messages, ({ seq, type, length, timestampNs, batchRemaining, payload }) => {
    const sum = sha256(payload)
    return { seq, type, length, sha256: sum, timestampNs: `${timestampNs}`, batchRemaining }
  })
}

function expected({ messages }: Manifest): object[] {
  return messages.map(({ seq, type, length, sha256, timestampNs, batchRemaining }) => {
    return { seq, type, length, sha256, timestampNs, batchRemaining }
  })
}

const names = fixtureNames()

test('there are fixtures of the version that is written now', (t) => {
  t.deepEqual(
    ['everything', 'pruned', 'killed-append', 'killed-batch', 'killed-claim', 'untouched'].filter(
      (name) => !names.includes(`1/${name}`),
    ),
    [],
  )
})

for (const name of names) {
  const manifest = readManifest(name)

  for (const boot of boots) {
    test(`${name} of ${boot} boot holds what its manifest says, to the reference`, (t) => {
      const dir = copy(t, name, boot)
      const found = survey(dir)
      t.is(found.refusal, undefined)
      t.deepEqual(told(found.messages), expected(manifest))
      t.deepEqual(
        found.messages.map(({ epoch }) => epoch),
        manifest.messages.map(({ epoch }) => epoch),
      )
      t.like(found, { firstSeq: manifest.firstSeq, end: { seq: manifest.nextSeq } })
      t.like(found.control, {
        epoch: manifest.epoch,
        durablePoint: manifest.durablePoint,
        segmentBytes: manifest.segmentBytes,
        sameBoot: boot === 'this' && manifest.epoch > 0,
      })
      t.deepEqual(
        bases(dir).map((base) => [`${base}`, { bytes: readFileSync(segment(dir, base)).length }]),
        Object.entries(manifest.segments),
      )
      for (const [reader, { nextSeq }] of Object.entries(manifest.readers)) {
        t.is(readPosition(dir, reader, found.control.id).nextSeq, nextSeq)
      }
    })

    test(`${name} of ${boot} boot is read without a change`, (t) => {
      const dir = copy(t, name, boot)
      const before = snapshot(dir)
      const log = opened(t, dir, { readOnly: true })
      t.deepEqual(told(log.read()), expected(manifest))
      t.like(log, { firstSeq: manifest.firstSeq, nextSeq: manifest.nextSeq })
      const { firstSeq, nextSeq, readers } = manifest
      for (const from of [firstSeq, (firstSeq + nextSeq) >> 1, nextSeq]) {
        t.deepEqual(told(log.read({ from })), expected(manifest).slice(from - firstSeq))
      }
      t.deepEqual(told(log.read({ reverse: true })), expected(manifest).toReversed())
      t.deepEqual(
        log.readers().map((reader) => [reader.name, { nextSeq: reader.nextSeq }]),
        Object.entries(readers),
      )
      log.close()
      t.deepEqual(snapshot(dir), before)
    })

    test(`${name} of ${boot} boot is opened for writing and goes on`, (t) => {
      const dir = copy(t, name, boot)
      const log = opened(t, dir)
      log.acquire()
      t.deepEqual(told(log.read()), expected(manifest))
      for (const [reader, { nextSeq }] of Object.entries(manifest.readers)) {
        const tail = log.tail({ name: reader })
        t.is(tail.committed, nextSeq)
        tail.close()
      }
      t.is(log.append('goes on', { type: 9 }), manifest.nextSeq)
      t.is(log.stats().epoch, manifest.epoch + 1)
      log.close()
      const found = survey(dir)
      t.is(found.refusal, undefined)
      t.deepEqual(told(found.messages.slice(0, -1)), expected(manifest))
      t.like(found.messages.at(-1), { seq: manifest.nextSeq, type: 9, epoch: manifest.epoch + 1 })
    })
  }
}

/** Takes the durable point from a log: after a power cut, nothing of it is promised. */
function promiseNothing(dir: string): void {
  for (const slot of [384, 448]) overwrite(join(dir, 'control'), slot, Buffer.alloc(12))
}

/** Both readers refuse what was changed, and so does a writer, which leaves everything as it is. */
function refused(t: ExecutionContext, dir: string, kind: Refusal['kind'], path: string): void {
  const code = `ERR_CHRONICLE_${kind}` as const
  const before = snapshot(dir)
  const found = (() => {
    try {
      return survey(dir).refusal
    } catch (error) {
      return error instanceof Refusal ? error : undefined
    }
  })()
  t.is(found?.kind, kind)
  t.is(found?.path, path)
  const read = () => [...opened(t, dir, { readOnly: true }).read()]
  t.is(refuses(t, read, code).path, path)
  t.is(refuses(t, () => opened(t, dir).acquire(), code).path, path)
  t.deepEqual(snapshot(dir), before)
}

const headers = { control: 64, segment: 4096 }

for (const [file, length] of Object.entries(headers)) {
  const pathIn = (dir: string) =>
    file === 'control' ? join(dir, 'control') : segment(dir, bases(dir).at(-1))

  test(`a later version of a ${file} is refused by name`, (t) => {
    const dir = copy(t, '1/everything')
    reseal(pathIn(dir), 0, length, (header) => header.writeUInt32LE(2, 8))
    refused(t, dir, 'UNSUPPORTED_VERSION', pathIn(dir))
  })

  test(`a feature of a ${file} that must be known is refused by name`, (t) => {
    for (const bit of [0, 13, 31]) {
      const dir = copy(t, '1/everything')
      reseal(pathIn(dir), 0, length, (header) => header.writeUInt32LE(2 ** bit, 12))
      refused(t, dir, 'UNSUPPORTED_FEATURE', pathIn(dir))
    }
  })

  test(`a ${file} of a later version is refused by name after a power cut too`, (t) => {
    for (const [offset, kind] of [
      [8, 'UNSUPPORTED_VERSION'],
      [12, 'UNSUPPORTED_FEATURE'],
    ] as const) {
      const dir = copy(t, '1/everything')
      promiseNothing(dir)
      reseal(pathIn(dir), 0, length, (header) => header.writeUInt32LE(2, offset))
      refused(t, dir, kind, pathIn(dir))
    }
  })

  test(`a feature of a ${file} that readers need not know keeps writers away`, (t) => {
    const dir = copy(t, '1/everything')
    reseal(pathIn(dir), 0, length, (header) => header.writeUInt32LE(1, 16))
    const manifest = expected(readManifest('1/everything'))
    t.deepEqual(told(survey(dir).messages), manifest)
    t.deepEqual(told(opened(t, dir, { readOnly: true }).read()), manifest)
    const before = snapshot(dir)
    const error = t.throws(() => opened(t, dir).acquire(), { instanceOf: ChronicleError })
    t.is(error?.code, 'ERR_CHRONICLE_READ_ONLY')
    t.is(error?.path, pathIn(dir))
    t.deepEqual(snapshot(dir), before)
  })

  test(`a feature of a ${file} that nobody need know is ignored`, (t) => {
    const dir = copy(t, '1/everything')
    reseal(pathIn(dir), 0, length, (header) => header.writeUInt32LE(0xffffffff, 20))
    const manifest = expected(readManifest('1/everything'))
    t.deepEqual(told(survey(dir).messages), manifest)
    const log = opened(t, dir)
    log.append('goes on')
    t.deepEqual(told(log.read()).slice(0, -1), manifest)
  })
}

test('a bit of a message that a later version gives a meaning is refused by name, and nothing is cut', (t) => {
  const changes: ((header: Buffer) => void)[] = [
    (header) => header.writeUInt8(0b101, 26),
    (header) => header.writeUInt8(0b1000_0001, 26),
    (header) => header.writeUInt8(1, 27),
    (header) => header.writeUInt8(1, 36),
    (header) => header.writeUInt8(0x80, 59),
  ]
  for (const boot of boots) {
    for (const change of changes) {
      const dir = copy(t, '1/everything', boot)
      const path = segment(dir, bases(dir).at(-1))
      resealRecord(path, 4096, change)
      refused(t, dir, 'UNSUPPORTED_FEATURE', path)
    }
  }
})

test('an index of a later version is not used', (t) => {
  const dir = copy(t, '1/everything')
  const manifest = expected(readManifest('1/everything'))
  for (const base of bases(dir)) {
    const path = indexOf(dir, base)
    if (!existsSync(path)) continue
    reseal(path, 0, 64, (header) => header.writeUInt32LE(2, 8))
    t.is(bytesAt(path, 8, 1)[0], 2)
  }
  const log = opened(t, dir, { readOnly: true })
  for (let from = 0; from <= manifest.length; from += 5) {
    t.deepEqual(told(log.read({ from })), manifest.slice(from))
  }
})

test('a position of a later version, or with a feature that must be known, is refused by name', (t) => {
  for (const [offset, kind] of [
    [8, 'UNSUPPORTED_VERSION'],
    [12, 'UNSUPPORTED_FEATURE'],
  ] as const) {
    const dir = copy(t, '1/everything')
    const path = join(dir, 'readers/billing')
    reseal(path, 0, 64, (header) => header.writeUInt32LE(2, offset))
    const log = opened(t, dir)
    const before = snapshot(dir)
    t.throws(() => readPosition(dir, 'billing', survey(dir).control.id), { message: new RegExp(kind) })
    const [billing, other] = log.readers()
    t.true(billing?.failure?.includes(path))
    t.is(other?.failure, undefined)
    t.is(refuses(t, () => log.tail({ name: 'billing' }), `ERR_CHRONICLE_${kind}`).path, path)
    t.deepEqual(snapshot(dir), before)
  }
})

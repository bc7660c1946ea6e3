/** Damaged, foreign and hostile files: each refused by its own code, with file and offset, and left as they are. */
import {
  copyFileSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'

import test, { type ExecutionContext } from 'ava'

import { Chronicle, type ChronicleError, type ChronicleErrorCode } from '../index.ts'
import {
  SEGMENT_HEADER,
  bases,
  flip,
  overwrite,
  reseal,
  resealRecord,
  segment,
  snapshot,
} from './helpers/files.ts'
import { refuses } from './helpers/refusal.ts'
import { folder, nowhere } from './helpers/temporary.ts'

/** A closed log of several segments; its first record is at 4096, its second at 4096 + 128. */
function written(t: ExecutionContext, count = 2000): string {
  const dir = nowhere(t)
  using log = Chronicle.open(dir, { segmentBytes: 65_536 })
  for (let seq = 0; seq < count; seq++)
    log.append(`message ${String(seq).padStart(8, '0')} ${'.'.repeat(40)}`)
  return dir
}

function readAll(dir: string): number {
  using log = Chronicle.open(dir, { readOnly: true })
  let count = 0
  for (const message of log.read()) count += message.length > 0 ? 1 : 0
  return count
}

function appendOne(dir: string): void {
  using log = Chronicle.open(dir)
  log.append('more')
}

interface Expected {
  code: ChronicleErrorCode
  path?: string
  offset?: number
  seq?: number
}

/** Expects `call` to refuse as told, twice, and to change nothing. */
function refused(
  t: ExecutionContext,
  dir: string,
  call: (dir: string) => unknown,
  expected: Expected,
): ChronicleError {
  const before = snapshot(dir)
  const { code, ...known } = expected
  refuses(t, () => call(dir), code)
  const error = refuses(t, () => call(dir), code)
  t.like(error, known)
  for (const value of Object.values(known)) t.true(error.message.includes(String(value)), error.message)
  t.deepEqual(snapshot(dir), before, 'nothing was changed')
  return error
}

test('an undamaged log is read and appended to', (t) => {
  const dir = written(t)
  t.is(readAll(dir), 2000)
  appendOne(dir)
  t.is(readAll(dir), 2001)
})

for (const [name, base] of [
  ['the first segment', 0],
  ['a later segment', 1],
] as const) {
  const damaged = (t: ExecutionContext) => {
    const dir = written(t)
    return { dir, path: segment(dir, bases(dir)[base]) }
  }

  test(`${name} is empty`, (t) => {
    const { dir, path } = damaged(t)
    truncateSync(path, 0)
    refused(t, dir, readAll, { code: 'ERR_CHRONICLE_EMPTY_FILE', path, offset: 0 })
  })

  test(`${name} ends within its header`, (t) => {
    const { dir, path } = damaged(t)
    truncateSync(path, 100)
    refused(t, dir, readAll, { code: 'ERR_CHRONICLE_TRUNCATED', path, offset: 100 })
  })

  test(`${name} is shorter than its header says`, (t) => {
    const { dir, path } = damaged(t)
    truncateSync(path, 8192)
    refused(t, dir, readAll, { code: 'ERR_CHRONICLE_TRUNCATED', path, offset: 8192 })
  })

  test(`${name} is longer than its header says`, (t) => {
    const { dir, path } = damaged(t)
    truncateSync(path, 65_536 * 4)
    refused(t, dir, readAll, { code: 'ERR_CHRONICLE_CORRUPT', path, offset: 65_536 })
  })

  test(`${name} has the wrong magic`, (t) => {
    const { dir, path } = damaged(t)
    overwrite(path, 0, Buffer.from('SQLite f'))
    refused(t, dir, readAll, { code: 'ERR_CHRONICLE_BAD_MAGIC', path, offset: 0 })
  })

  test(`${name} is of an unknown version`, (t) => {
    const { dir, path } = damaged(t)
    reseal(path, 0, SEGMENT_HEADER, (header) => header.writeUInt32LE(2, 8))
    refused(t, dir, readAll, { code: 'ERR_CHRONICLE_UNSUPPORTED_VERSION', path, offset: 8 })
  })

  test(`${name} has an unknown incompatible feature`, (t) => {
    const { dir, path } = damaged(t)
    reseal(path, 0, SEGMENT_HEADER, (header) => header.writeUInt32LE(0x8000_0000, 12))
    refused(t, dir, readAll, { code: 'ERR_CHRONICLE_UNSUPPORTED_FEATURE', path, offset: 12 })
  })

  test(`${name} has a flipped bit in its header`, (t) => {
    const { dir, path } = damaged(t)
    flip(path, 50, 3)
    refused(t, dir, readAll, { code: 'ERR_CHRONICLE_CORRUPT', path, offset: SEGMENT_HEADER - 4 })
  })

  test(`${name} claims a hostile size`, (t) => {
    const { dir, path } = damaged(t)
    for (const size of [0n, 4096n, 2n ** 40n, 2n ** 64n - 4096n]) {
      reseal(path, 0, SEGMENT_HEADER, (header) => header.writeBigUInt64LE(size, 48))
      refused(t, dir, readAll, { code: 'ERR_CHRONICLE_OUT_OF_BOUNDS', path })
    }
  })

  test(`${name} is a symlink, a directory`, (t) => {
    const { dir, path } = damaged(t)
    const away = join(folder(t), 'away')
    renameSync(path, away)
    symlinkSync(away, path)
    refused(t, dir, readAll, { code: 'ERR_CHRONICLE_NOT_A_FILE', path })
    rmSync(path)
    mkdirSync(path)
    refused(t, dir, readAll, { code: 'ERR_CHRONICLE_NOT_A_FILE', path })
  })

  test(`${name} belongs to another chronicle`, (t) => {
    const { dir, path } = damaged(t)
    const other = written(t)
    copyFileSync(segment(other, bases(other)[base]), path)
    refused(t, dir, readAll, { code: 'ERR_CHRONICLE_CORRUPT', path })
  })
}

test('a segment in the middle is missing', (t) => {
  const dir = written(t)
  const base = bases(dir)[3]!
  rmSync(segment(dir, base))
  refused(t, dir, readAll, { code: 'ERR_CHRONICLE_MISSING_SEGMENT', path: segment(dir, base), seq: base })
})

test('the first segment is missing', (t) => {
  const dir = written(t)
  rmSync(segment(dir, 0))
  refused(t, dir, readAll, { code: 'ERR_CHRONICLE_MISSING_SEGMENT', path: segment(dir, 0), seq: 0 })
  refused(t, dir, appendOne, { code: 'ERR_CHRONICLE_MISSING_SEGMENT', path: segment(dir, 0), seq: 0 })
})

test('the last segment is missing: its messages were promised, so nothing is written over the gap', (t) => {
  const dir = written(t)
  const base = bases(dir).at(-1)!
  rmSync(segment(dir, base))
  refused(t, dir, readAll, { code: 'ERR_CHRONICLE_MISSING_SEGMENT', path: segment(dir, base), seq: base })
  refused(t, dir, appendOne, { code: 'ERR_CHRONICLE_MISSING_SEGMENT', path: segment(dir, base) })
})

test('a flipped bit anywhere in a header or payload is found by the reader', (t) => {
  const dir = written(t, 20)
  const path = segment(dir)
  // The second record: its header at 4224, a payload of 57 bytes behind it.
  const start = SEGMENT_HEADER + 128
  for (let offset = start; offset < start + 64 + 57; offset++) {
    const bit = offset % 8
    // Without VALID a record is not there for the reader, which knows from the control file that it must be.
    flip(path, offset, bit)
    const error = refuses(
      t,
      () => readAll(dir),
      offset === start + 26 && bit === 0 ? 'ERR_CHRONICLE_CORRUPT' : codeOf(dir),
    )
    t.like(error, { path, offset: start, seq: 1 }, `byte ${offset - start}`)
    flip(path, offset, bit)
  }
  t.is(readAll(dir), 20)
})

/** Any of the codes that a bad record may have; the test looks at file, offset and seq. */
function codeOf(dir: string): ChronicleErrorCode {
  try {
    readAll(dir)
  } catch (error) {
    const { code } = error as ChronicleError
    if (
      code === 'ERR_CHRONICLE_CORRUPT' ||
      code === 'ERR_CHRONICLE_UNSUPPORTED_FEATURE' ||
      code === 'ERR_CHRONICLE_OUT_OF_BOUNDS'
    )
      return code
  }
  return 'ERR_CHRONICLE_CORRUPT'
}

test('a bad record is told again at each call, and by the writer', (t) => {
  const dir = written(t, 20)
  const path = segment(dir)
  flip(path, SEGMENT_HEADER + 128 * 5 + 64 + 3)
  const expected = { path, offset: SEGMENT_HEADER + 128 * 5, seq: 5 }
  using log = Chronicle.open(dir, { readOnly: true })
  const cursor = log.cursor()
  for (let seq = 0; seq < 5; seq++) t.true(cursor.next())
  for (let times = 0; times < 3; times++)
    t.like(
      refuses(t, () => cursor.next(), 'ERR_CHRONICLE_CORRUPT'),
      expected,
    )
  const before = snapshot(dir)
  t.like(
    refuses(t, () => appendOne(dir), 'ERR_CHRONICLE_CORRUPT'),
    expected,
  )
  t.deepEqual(
    Object.entries(snapshot(dir)).filter(([name]) => name.endsWith('.seg')),
    Object.entries(before).filter(([name]) => name.endsWith('.seg')),
  )
})

test('a tail meets corruption as an iteration does', async (t) => {
  const dir = written(t, 20)
  flip(segment(dir), SEGMENT_HEADER + 128 * 5 + 64 + 3)
  using log = Chronicle.open(dir, { readOnly: true })
  let seen = 0
  await t.throwsAsync(
    (async () => {
      for await (const message of log.tail({ from: 'start' })) seen += message.seq >= 0 ? 1 : 0
    })(),
    { code: 'ERR_CHRONICLE_CORRUPT' },
  )
  t.is(seen, 5)
})

test('a length that points outside of the segment', (t) => {
  const dir = written(t, 20)
  const path = segment(dir)
  for (const length of [65_536, 2 ** 30, 2 ** 32 - 1]) {
    resealRecord(path, SEGMENT_HEADER, (header) => header.writeUInt32LE(length, 16))
    refused(t, dir, readAll, { code: 'ERR_CHRONICLE_OUT_OF_BOUNDS', path, offset: SEGMENT_HEADER, seq: 0 })
  }
})

test('a record that is out of order, out of its epoch or out of time', (t) => {
  const changes: ((header: Buffer) => void)[] = [
    (header) => header.writeBigUInt64LE(7n, 0),
    (header) => header.writeUInt32LE(0, 32),
    (header) => header.writeBigUInt64LE(1n, 8),
  ]
  for (const change of changes) {
    const dir = written(t, 20)
    const path = segment(dir)
    const offset = SEGMENT_HEADER + 128
    resealRecord(path, offset, change)
    refused(t, dir, readAll, { code: 'ERR_CHRONICLE_CORRUPT', path, offset, seq: 1 })
  }
})

test('flag bits and reserved bytes that this version does not know', (t) => {
  for (const at of [26, 27, 36, 59]) {
    const dir = written(t, 20)
    const path = segment(dir)
    resealRecord(path, SEGMENT_HEADER, (header) => {
      header[at]! |= 0x80
    })
    refused(t, dir, readAll, { code: 'ERR_CHRONICLE_UNSUPPORTED_FEATURE', path, offset: SEGMENT_HEADER })
  }
})

test('the control file is empty, cut, foreign, of another version or damaged', (t) => {
  const damages: [(path: string) => void, Expected][] = [
    [(path) => truncateSync(path, 0), { code: 'ERR_CHRONICLE_EMPTY_FILE' }],
    [(path) => truncateSync(path, 100), { code: 'ERR_CHRONICLE_TRUNCATED' }],
    [(path) => overwrite(path, 0, Buffer.from('XXXXXXXX')), { code: 'ERR_CHRONICLE_BAD_MAGIC', offset: 0 }],
    [(path) => overwrite(path, 8, Buffer.of(9)), { code: 'ERR_CHRONICLE_UNSUPPORTED_VERSION', offset: 8 }],
    [
      (path) => reseal(path, 0, 64, (header) => header.writeUInt32LE(4, 12)),
      { code: 'ERR_CHRONICLE_UNSUPPORTED_FEATURE', offset: 12 },
    ],
    [(path) => flip(path, 30), { code: 'ERR_CHRONICLE_CORRUPT' }],
  ]
  for (const [damage, expected] of damages) {
    const dir = written(t, 20)
    const path = join(dir, 'control')
    damage(path)
    refused(t, dir, readAll, { ...expected, path })
    refused(t, dir, appendOne, { ...expected, path })
  }
})

test('the control file is missing although there are segments', (t) => {
  const dir = written(t)
  const path = join(dir, 'control')
  rmSync(path)
  refused(t, dir, appendOne, { code: 'ERR_CHRONICLE_CORRUPT', path })
})

test('the control file is a symlink', (t) => {
  const dir = written(t, 20)
  const path = join(dir, 'control')
  const away = join(folder(t), 'control')
  renameSync(path, away)
  symlinkSync(away, path)
  refused(t, dir, readAll, { code: 'ERR_CHRONICLE_NOT_A_FILE', path })
})

test('a feature that bars writing lets readers in', (t) => {
  const dir = written(t, 20)
  const path = segment(dir)
  reseal(path, 0, SEGMENT_HEADER, (header) => header.writeUInt32LE(1, 16))
  t.is(readAll(dir), 20)
  refused(t, dir, appendOne, { code: 'ERR_CHRONICLE_READ_ONLY', path, offset: 16 })
})

test('the lock file is a symlink', (t) => {
  const dir = written(t, 20)
  const path = join(dir, 'writer.lock')
  const away = join(folder(t), 'lock')
  rmSync(path)
  writeFileSync(away, '')
  symlinkSync(away, path)
  refused(t, dir, appendOne, { code: 'ERR_CHRONICLE_NOT_A_FILE', path })
})

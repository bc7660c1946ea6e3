/** `verify` finds what is wrong and changes nothing; `repair` keeps what it changes and says what was lost. */
import {
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'

import test, { type ExecutionContext } from 'ava'

import {
  repair,
  verify,
  type Problem,
  type RepairReport,
  type VerifyReport,
  type WorkProgress,
} from '../index.ts'
import { appendPayloads, checkPayloads } from './helpers/contents.ts'
import {
  SEGMENT_HEADER,
  bases,
  flip,
  indexOf,
  overwrite,
  reseal,
  segment,
  settledSnapshot,
  snapshot,
} from './helpers/files.ts'
import { payloadOf } from './helpers/payloads.ts'
import { Peer } from './helpers/process.ts'
import { rejects } from './helpers/refusal.ts'
import { folder, fresh, nowhere, opened } from './helpers/temporary.ts'

const COUNT = 2000

/** A log of several segments and a named reader that has read it all, durable and closed. */
function written(t: ExecutionContext): string {
  const log = fresh(t)
  appendPayloads(log, 0, COUNT)
  log.setReader('billing', COUNT)
  log.close()
  return log.path
}

/** The report on a log, which is left exactly as it was. */
async function check(t: ExecutionContext, dir: string): Promise<VerifyReport> {
  const before = snapshot(dir)
  const report = await verify(dir)
  t.deepEqual(snapshot(dir), before)
  return report
}

/** Repairs, and finds the messages below `left` and a log that goes on. */
async function mend(t: ExecutionContext, dir: string, left: number): Promise<RepairReport> {
  t.false((await check(t, dir)).sound)
  const report = await repair(dir)
  t.like(await check(t, dir), { sound: true, messages: left, nextSeq: left, problems: [] })
  const log = opened(t, dir)
  t.is(checkPayloads(t, log), left)
  appendPayloads(log, left, left + 10)
  t.is(checkPayloads(t, log), left + 10)
  t.true(log.readers().every(({ nextSeq }) => nextSeq <= left))
  log.close()
  return report
}

/** The offset of a message in the first segment. */
function offsetOf(seq: number): number {
  let offset = SEGMENT_HEADER
  for (let before = 0; before < seq; before++) offset += Math.ceil((64 + payloadOf(before).length) / 64) * 64
  return offset
}

test('a sound log is counted, and neither verified nor repaired into another one', async (t) => {
  const dir = written(t)
  let payloadBytes = 0
  for (let seq = 0; seq < COUNT; seq++) payloadBytes += payloadOf(seq).length
  const counted = {
    sound: true,
    segments: bases(dir).length,
    messages: COUNT,
    payloadBytes,
    firstSeq: 0,
    nextSeq: COUNT,
    readers: 1,
    problems: [],
  }
  t.deepEqual(await check(t, dir), counted)
  t.deepEqual(await verify(pathToFileURL(dir)), counted)
  const before = snapshot(dir)
  const report = await repair(dir)
  t.like(report, { rebuiltControl: false, quarantined: [], lostReaders: [], rebuiltIndexes: 0 })
  t.is(report.lostFrom, undefined)
  t.is(report.lostTo, undefined)
  t.like(report.recovery, { sameBoot: true, movedReaders: [], quarantined: [] })
  t.false(existsSync(join(dir, 'quarantine')))
  const after = snapshot(dir)
  // It has opened the log for writing.
  for (const files of [before, after]) delete files[join(dir, 'control')]
  t.deepEqual(after, before)

  const pruned = opened(t, dir)
  const { firstSeq, segments } = pruned.prune({ keepMessages: 300 })
  t.like(await check(t, dir), {
    sound: true,
    segments: counted.segments - segments,
    messages: COUNT - firstSeq,
    firstSeq,
    nextSeq: COUNT,
  })
})

test('progress is told to its end, and what the callback throws ends the work', async (t) => {
  const dir = written(t)
  const seen: WorkProgress[] = []
  const report = await verify(dir, { onProgress: (progress) => seen.push(progress) })
  const totalBytes = bases(dir).reduce((sum, base) => sum + statSync(segment(dir, base)).size, 0)
  const { segments } = report
  t.deepEqual(seen.at(-1), { segments, totalSegments: segments, bytes: totalBytes, totalBytes })
  t.true(seen.every(({ bytes }) => bytes <= totalBytes))
  const failing = verify(dir, {
    onProgress() {
      throw new Error('of the callback')
    },
  })
  await t.throwsAsync(failing, { message: 'of the callback' })
})

test('a signal ends a verify, at its start and on its way', async (t) => {
  const dir = written(t)
  const reason = new Error('enough')
  const expected = { name: 'AbortError', cause: reason }
  const signal = AbortSignal.abort(reason)
  t.like(await rejects(t, verify(dir, { signal }), 'ERR_CHRONICLE_ABORTED'), expected)
  const controller = new AbortController()
  const verifying = verify(dir, { signal: controller.signal })
  controller.abort(reason)
  t.like(await rejects(t, verifying, 'ERR_CHRONICLE_ABORTED'), expected)
  await rejects(t, verify(dir, { signal: 1 } as never), 'ERR_CHRONICLE_INVALID_ARGUMENT')
  await rejects(t, verify(dir, { progress: 1 } as never), 'ERR_CHRONICLE_INVALID_ARGUMENT')
  // One that is aborted later changes nothing, and one that was never is not held.
  t.true((await verify(dir, { signal: new AbortController().signal })).sound)
})

test('verify runs beside a writer and readers', async (t) => {
  const log = fresh(t)
  appendPayloads(log, 0, COUNT)
  const tail = log.tail({ name: 'r' })
  let end = COUNT
  for (let round = 0; round < 10; round++) {
    const verifying = verify(log.path)
    for (let turn = 0; turn < 5; turn++) {
      appendPayloads(log, end, end + 100)
      end += 100
      tail.commit((await tail.next()).value!.seq)
      await pause(1)
    }
    const report = await verifying
    t.deepEqual(
      report.problems.filter(({ severity }) => severity === 'data'),
      [],
    )
    t.true(report.messages <= end && report.nextSeq === report.messages && report.readers === 1)
  }
})

test('a flipped bit is named, and the log is cut before it with a copy of everything', async (t) => {
  const dir = written(t)
  const [, second, third] = bases(dir) as [number, number, number]
  const path = segment(dir, second)
  flip(path, SEGMENT_HEADER + 70)
  const { problems, sound, nextSeq, messages } = await check(t, dir)
  t.false(sound)
  // What stands in the segments behind is looked at too.
  t.deepEqual([nextSeq, messages], [COUNT, COUNT - (third - second)])
  t.like(problems[0], {
    severity: 'data',
    code: 'ERR_CHRONICLE_CORRUPT',
    path,
    offset: SEGMENT_HEADER,
    seq: second,
  } satisfies Partial<Problem>)
  t.true(problems[0]!.message.length > 10)

  const originals = bases(dir)
    .slice(1)
    .map((base) => [basename(segment(dir, base)), readFileSync(segment(dir, base))] as const)
  const report = await mend(t, dir, second)
  t.deepEqual([report.lostFrom, report.lostTo], [second, COUNT])
  t.is(report.quarantined.length, originals.length)
  for (const [name, bytes] of originals) {
    const copy = join(dir, 'quarantine', name)
    t.true(report.quarantined.includes(copy), name)
    t.is(Buffer.compare(readFileSync(copy), bytes), 0, name)
  }
  t.deepEqual(report.recovery.movedReaders, ['billing'])
  t.deepEqual(report.lostReaders, [])
})

test('damage in the first segment keeps what stands before it', async (t) => {
  const dir = written(t)
  const path = segment(dir)
  flip(path, offsetOf(100) + 8, 3)
  t.like((await check(t, dir)).problems[0], { severity: 'data', path, offset: offsetOf(100) })
  const report = await mend(t, dir, 100)
  t.deepEqual([report.lostFrom, report.lostTo], [100, COUNT])
  t.true(report.quarantined.length >= bases(dir).length)
})

test('segments that are missing, empty, short or of another kind end the log', async (t) => {
  const damages: [(path: string) => void, Problem['code']][] = [
    [(path) => rmSync(path), 'ERR_CHRONICLE_MISSING_SEGMENT'],
    [(path) => truncateSync(path, 0), 'ERR_CHRONICLE_EMPTY_FILE'],
    [(path) => truncateSync(path, 5000), 'ERR_CHRONICLE_TRUNCATED'],
    [(path) => flip(path, 0), 'ERR_CHRONICLE_BAD_MAGIC'],
    [(path) => flip(path, 40), 'ERR_CHRONICLE_CORRUPT'],
  ]
  for (const [damage, code] of damages) {
    const dir = written(t)
    const base = bases(dir)[3]!
    damage(segment(dir, base))
    const { problems } = await check(t, dir)
    const problem = problems.find(({ severity }) => severity === 'data')
    t.like(problem, { code, path: segment(dir, base) }, code)
    const report = await mend(t, dir, base)
    t.deepEqual([report.lostFrom, report.lostTo], [base, COUNT], code)
    t.is(
      existsSync(join(dir, 'quarantine', basename(segment(dir, base)))),
      code !== 'ERR_CHRONICLE_MISSING_SEGMENT',
    )
  }
})

test('what was promised and is gone from the end is missed', async (t) => {
  const dir = written(t)
  const last = bases(dir).at(-1)!
  rmSync(segment(dir, last))
  t.false((await check(t, dir)).sound)
  const report = await mend(t, dir, last)
  t.deepEqual([report.lostFrom, report.lostTo], [last, COUNT])
})

test('what a killed writer leaves is unfinished at most, and never a loss', async (t) => {
  const dir = fresh(t).path
  for (let round = 0; round < 4; round++) {
    const writer = new Peer(t, 'batchForever', dir)
    while (writer.acknowledged < 0) await pause(5)
    await pause(round * 9)
    await writer.kill()
    const report = await check(t, dir)
    t.deepEqual(
      report.problems.filter(({ severity }) => severity === 'data'),
      [],
    )
    t.true(report.nextSeq >= writer.acknowledged)
    const { nextSeq } = report
    const log = opened(t, dir)
    log.acquire()
    t.is(log.nextSeq, nextSeq)
    log.close()
    t.like(await check(t, dir), { sound: true, problems: [] })
  }
})

test('a wrong index is derived data and made again', async (t) => {
  const dir = written(t)
  const path = indexOf(dir)
  flip(path, 20)
  const { sound, problems } = await check(t, dir)
  t.true(sound)
  t.like(problems[0], { severity: 'derived', path })
  t.is(problems.length, 1)
  t.like(await repair(dir), { rebuiltIndexes: 1, lostReaders: [], rebuiltControl: false })
  t.deepEqual((await check(t, dir)).problems, [])
})

test('a damaged position is kept aside, and its reader starts anew', async (t) => {
  const dir = written(t)
  const path = join(dir, 'readers', 'billing')
  overwrite(path, 512, Buffer.alloc(1024, 7))
  const { sound, problems } = await check(t, dir)
  t.false(sound)
  t.like(problems[0], { code: 'ERR_CHRONICLE_CORRUPT', path })
  const bytes = readFileSync(path)
  const report = await mend(t, dir, COUNT)
  t.deepEqual(report.lostReaders, ['billing'])
  t.is(report.lostFrom, undefined)
  t.is(report.quarantined.length, 1)
  t.deepEqual(readFileSync(report.quarantined[0]!), bytes)
  t.is(opened(t, dir).tail({ name: 'billing' }).committed, 0)
})

test('a control file that is gone or damaged is made again from the segments', async (t) => {
  const damages: [(path: string) => void, Problem['code']][] = [
    [(path) => rmSync(path), 'ERR_CHRONICLE_CORRUPT'],
    [(path) => writeFileSync(path, ''), 'ERR_CHRONICLE_EMPTY_FILE'],
    [(path) => flip(path, 30), 'ERR_CHRONICLE_CORRUPT'],
    [(path) => flip(path, 1), 'ERR_CHRONICLE_BAD_MAGIC'],
  ]
  for (const [damage, code] of damages) {
    const dir = written(t)
    const control = join(dir, 'control')
    damage(control)
    const before = snapshot(dir)
    t.is((await rejects(t, verify(dir), code)).path?.startsWith(dir), true)
    t.deepEqual(snapshot(dir), before)
    const damaged = existsSync(control) ? readFileSync(control) : undefined
    const report = await repair(dir)
    t.like(report, { rebuiltControl: true, lostReaders: [] })
    t.is(report.lostFrom, undefined)
    const copies = report.quarantined.map((path) => readFileSync(path))
    t.is(damaged === undefined || copies.some((copy) => copy.equals(damaged)), true)
    t.like(await check(t, dir), { sound: true, messages: COUNT, problems: [] })
    const log = opened(t, dir)
    t.is(log.readers()[0]!.nextSeq, COUNT)
    appendPayloads(log, COUNT, COUNT + 5)
    t.is(checkPayloads(t, log), COUNT + 5)
  }
})

test('files of a later version are no damage', async (t) => {
  const dir = written(t)
  reseal(segment(dir), 0, SEGMENT_HEADER, () => undefined)
  overwrite(segment(dir), 8, Buffer.from([2]))
  t.like((await check(t, dir)).problems[0], { code: 'ERR_CHRONICLE_UNSUPPORTED_VERSION' })
  const before = snapshot(dir)
  await rejects(t, repair(dir), 'ERR_CHRONICLE_UNSUPPORTED_VERSION')
  t.deepEqual(snapshot(dir), before)
})

test('repair is refused while a writer has the log, and verify is not', async (t) => {
  const dir = written(t)
  // The helper thread of a writer makes the last index anew: where there was none it can be seen to have done so.
  rmSync(indexOf(dir, bases(dir).at(-1)))
  const holder = new Peer(t, 'hold', dir)
  await holder.message()
  const before = await settledSnapshot(dir)
  t.is((await rejects(t, repair(dir), 'ERR_CHRONICLE_LOCKED')).pid, holder.pid)
  t.deepEqual(snapshot(dir), before)
  t.true((await check(t, dir)).sound)
})

test('what is no chronicle is refused and left alone', async (t) => {
  const root = folder(t)
  const file = join(root, 'file')
  writeFileSync(file, 'x')
  mkdirSync(join(root, 'foreign'))
  writeFileSync(join(root, 'foreign', 'notes.txt'), 'mine')
  mkdirSync(join(root, 'empty'))
  symlinkSync(file, join(root, 'link'))
  const before = snapshot(root)
  for (const call of [verify, repair]) {
    const missing = nowhere(t)
    t.is((await rejects(t, call(missing), 'ERR_CHRONICLE_NOT_FOUND')).path, missing)
    t.false(existsSync(missing))
    await rejects(t, call(join(root, 'empty')), 'ERR_CHRONICLE_NOT_FOUND')
    for (const name of ['file', 'foreign', 'link']) {
      await rejects(t, call(join(root, name)), 'ERR_CHRONICLE_NOT_A_CHRONICLE')
    }
    for (const dir of ['', 'a\0b', 1, null, undefined, {}, new URL('http://localhost/x')]) {
      await rejects(t, call(dir as string), 'ERR_CHRONICLE_INVALID_ARGUMENT')
    }
  }
  t.deepEqual(snapshot(root), before)
})

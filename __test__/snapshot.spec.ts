/** Copies of a live log: written, pruned and read by other processes meanwhile, and read by a reader that shares no code with us. */
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'

import test from 'ava'

import { verify, type WorkProgress } from '../index.ts'
import { appendPayloads, checkPayloads } from './helpers/contents.ts'
import { bases, flip, segment, snapshot } from './helpers/files.ts'
import { Peer } from './helpers/process.ts'
import { rejects } from './helpers/refusal.ts'
import { folder, fresh, opened } from './helpers/temporary.ts'
import { survey } from './reference/log.ts'
import { readPosition, readerNames } from './reference/position.ts'

const COUNT = 3000

/** What stands beside a log and its copies. */
function beside(path: string): string[] {
  return readdirSync(dirname(path)).toSorted()
}

test('a snapshot is a chronicle with the same messages and positions, and goes on by itself', async (t) => {
  const log = fresh(t)
  appendPayloads(log, 0, COUNT)
  log.appendBatch(['a', { payload: 'b', type: 7 }, 'c'])
  log.setReader('done', COUNT)
  log.setReader('behind', 17)
  const path = join(dirname(log.path), 'deep', 'copy')
  const seen: WorkProgress[] = []
  const report = await log.snapshot(pathToFileURL(path), { onProgress: (progress) => seen.push(progress) })
  const { segments, bytes } = report
  t.deepEqual(report, { path, firstSeq: 0, nextSeq: COUNT + 3, segments, bytes })
  t.deepEqual(seen.at(-1), { segments, totalSegments: segments, bytes, totalBytes: bytes })
  t.is(segments, bases(path).length)
  t.deepEqual(bases(path), bases(log.path))
  log.append('later')

  const [all, copied] = [survey(log.path), survey(path)]
  t.is(copied.refusal, undefined)
  const told = ({ seq, type, timestampNs, batchRemaining, payload }: (typeof all.messages)[number]) =>
    [seq, type, timestampNs, batchRemaining, Buffer.from(payload).toString('latin1')].join()
  t.deepEqual(copied.messages.map(told), all.messages.slice(0, -1).map(told))
  t.deepEqual(copied.control.id, all.control.id)
  t.like(copied.control, { headSeq: COUNT + 3, durablePoint: COUNT + 3, writerPid: 0 })
  t.is(copied.control.epoch, all.control.epoch)
  const positions = readerNames(path).map((name) => readPosition(path, name, copied.control.id))
  t.deepEqual(
    positions.map(({ name, nextSeq }) => [name, nextSeq]),
    [
      ['behind', 17],
      ['done', COUNT],
    ],
  )

  log.close()
  const before = snapshot(log.path)
  const copy = opened(t, path)
  t.is(copy.durableSeq, COUNT + 3)
  appendPayloads(copy, COUNT + 3, COUNT + 500)
  copy.prune({ keepMessages: 10 })
  copy.close()
  t.true((await verify(path)).sound)
  t.deepEqual(snapshot(log.path), before)
})

test('snapshots of a log that other processes write and prune are sound, and hold what was there', async (t) => {
  const log = fresh(t)
  appendPayloads(log, 0, COUNT)
  log.setReader('slow', COUNT)
  log.close()
  const reading = opened(t, log.path, { readOnly: true })
  const pruning = opened(t, log.path)
  let before = COUNT
  for (let round = 0; round < 4; round++) {
    const peer = new Peer(t, 'write', log.path, 2000)
    while (reading.nextSeq === before) await new Promise((resolve) => setTimeout(resolve, 1))
    for (let take = 0; take < 3; take++) {
      const path = `${log.path}.${round}.${take}`
      const least = reading.nextSeq
      const taking = reading.snapshot(path)
      pruning.prune({ keepMessages: 1500, keepUnread: false })
      const { firstSeq, nextSeq } = await taking
      t.true(nextSeq >= least && nextSeq <= reading.nextSeq)
      const report = await verify(path)
      t.like(report, { sound: true, firstSeq, nextSeq, problems: [] })
      const found = survey(path)
      t.is(found.refusal, undefined)
      t.is(found.messages.length, nextSeq - firstSeq)
      // As a reader that never writes, and then as a writer.
      t.is(checkPayloads(t, opened(t, path, { readOnly: true }), firstSeq), nextSeq)
      const copy = opened(t, path)
      appendPayloads(copy, nextSeq, nextSeq + 10)
      t.like(copy.stats().recovery, { quarantined: [], droppedBatchMessages: 0 })
      copy.close()
      rmSync(path, { recursive: true })
    }
    // Killed at any instruction: what it had published is there.
    await peer.kill()
    const path = `${log.path}.${round}`
    const { firstSeq, nextSeq } = await reading.snapshot(path)
    t.is(checkPayloads(t, opened(t, path), firstSeq), nextSeq)
    const next = opened(t, log.path)
    next.acquire()
    t.is(next.nextSeq, nextSeq)
    before = nextSeq
    next.close()
  }
  t.true(reading.firstSeq > 0)
})

test('what fails leaves nothing, and says why', async (t) => {
  const log = fresh(t)
  appendPayloads(log, 0, COUNT)
  const path = join(dirname(log.path), 'copy')
  const only = [basename(log.path)]

  mkdirSync(path)
  await rejects(t, log.snapshot(path), 'ERR_CHRONICLE_INVALID_ARGUMENT')
  t.deepEqual(readdirSync(path), [])
  rmSync(path, { recursive: true })
  await rejects(t, log.snapshot(log.path), 'ERR_CHRONICLE_INVALID_ARGUMENT')
  await rejects(t, log.snapshot(''), 'ERR_CHRONICLE_INVALID_ARGUMENT')
  await rejects(t, log.snapshot(path, { on: 1 } as never), 'ERR_CHRONICLE_INVALID_ARGUMENT')
  await rejects(t, log.snapshot(path, { onProgress: 1 } as never), 'ERR_CHRONICLE_INVALID_ARGUMENT')

  const reason = new Error('enough')
  const early = await rejects(
    t,
    log.snapshot(path, { signal: AbortSignal.abort(reason) }),
    'ERR_CHRONICLE_ABORTED',
  )
  t.like(early, { name: 'AbortError', cause: reason })
  const controller = new AbortController()
  const aborted = log.snapshot(path, { signal: controller.signal })
  controller.abort(reason)
  // Whoever is faster: there is a whole copy, or none.
  const [{ status }] = await Promise.allSettled([aborted])
  t.is(existsSync(path), status === 'fulfilled')
  if (status === 'rejected') {
    t.like(await rejects(t, aborted, 'ERR_CHRONICLE_ABORTED'), { name: 'AbortError', cause: reason })
  }
  rmSync(path, { recursive: true, force: true })

  flip(segment(log.path, bases(log.path).at(-1)), 4096 + 8)
  await rejects(t, log.snapshot(path), 'ERR_CHRONICLE_CORRUPT')
  flip(segment(log.path, bases(log.path).at(-1)), 4096 + 8)
  t.deepEqual(beside(log.path), only)
  t.is((await log.snapshot(path)).nextSeq, COUNT)
  log.close()
  await rejects(t, log.snapshot(`${path} 2`), 'ERR_CHRONICLE_CLOSED')
})

test('a damaged message of a sealed segment is copied as it is', async (t) => {
  const log = fresh(t)
  appendPayloads(log, 0, COUNT)
  flip(segment(log.path), 4096 + 8)
  const path = join(folder(t), 'copy')
  await log.snapshot(path)
  const report = await verify(path)
  t.false(report.sound)
  t.like(report.problems[0], { severity: 'data', code: 'ERR_CHRONICLE_CORRUPT', path: segment(path), seq: 0 })
})

test('a log may be closed while a snapshot of it is made', async (t) => {
  const log = fresh(t)
  appendPayloads(log, 0, COUNT)
  const path = join(dirname(log.path), 'copy')
  const taking = log.snapshot(path)
  log.close()
  t.is((await taking).nextSeq, COUNT)
  t.is(checkPayloads(t, opened(t, path)), COUNT)
})

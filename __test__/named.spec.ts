/** Named readers: positions that outlive tails and processes, and names that one tail at a time uses. */
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

import test, { type ExecutionContext } from 'ava'

import type { Chronicle, From, Tail, TailOptions } from '../index.ts'
import { appendPayloads } from './helpers/contents.ts'
import { Acknowledged } from './helpers/endurance.ts'
import { SEGMENT_HEADER, overwrite, segment, snapshot } from './helpers/files.ts'
import { Peer } from './helpers/process.ts'
import { refuses, refusesArgument, rejects } from './helpers/refusal.ts'
import { fresh, opened } from './helpers/temporary.ts'

function filled(t: ExecutionContext, count = 10): Chronicle {
  const log = fresh(t)
  appendPayloads(log, 0, count)
  return log
}

/** The next messages of a tail. */
async function take(tail: Tail, count: number): Promise<number[]> {
  const seqs = []
  for (let index = 0; index < count; index++) seqs.push((await tail.next()).value!.seq)
  return seqs
}

test('a named tail goes on behind what was committed, after closing and after reopening', async (t) => {
  const log = filled(t)
  const tail = log.tail({ name: 'billing' })
  t.is(tail.committed, 0)
  const first = (await tail.next()).value!
  await take(tail, 4)
  first.commit()
  t.is(tail.committed, 1)
  tail.commit(3)
  t.is(tail.committed, 4)
  // What lies before changes nothing.
  first.commit()
  tail.commit(1)
  t.is(tail.committed, 4)
  tail.close()

  const again = log.tail({ name: 'billing', from: 'resume' })
  t.deepEqual(await take(again, 2), [4, 5])
  again.commit(4)
  log.close()

  const other = opened(t, log.path)
  const third = other.tail({ name: 'billing', newFrom: 'end' })
  t.deepEqual(await take(third, 5), [5, 6, 7, 8, 9])
  third.commit(9)
  const waiting = third.next()
  await pause(5)
  other.append('more')
  const more = (await waiting).value!
  t.is(more.text(), 'more')
  more.commit()
  t.deepEqual(other.readers(), [{ name: 'billing', nextSeq: 11, lag: 0, pid: process.pid }])
})

test('what was read and not committed comes again, also from a loop that is left', async (t) => {
  const log = filled(t)
  for (let round = 0; round < 3; round++) {
    for await (const message of log.tail({ name: 'r' })) {
      t.is(message.seq, 0)
      break
    }
  }
  await t.throwsAsync(
    async () => {
      for await (const message of log.tail({ name: 'r' })) {
        if (message.seq === 2) throw new Error('not handled')
        message.commit()
      }
    },
    { message: 'not handled' },
  )
  t.deepEqual(await take(log.tail({ name: 'r' }), 1), [2])
})

test('a new name starts where newFrom says, an old one where it stood', async (t) => {
  const log = filled(t, 5)
  const times = [...log.read()].map((message) => message.timestampNs)
  await pause(3)
  const seq = log.append('late')
  const late = new Date([...log.read({ from: -1 })][0]!.timestamp)
  const starts: [From | undefined, number][] = [
    [undefined, 0],
    ['start', 0],
    ['end', 6],
    [3, 3],
    [6, 6],
    [-2, 4],
    [-100, 0],
    [times[0]!, 0],
    [late, seq],
  ]
  for (const [index, [newFrom, expected]] of starts.entries()) {
    const name = `reader ${index}`
    const tail = log.tail({ name, newFrom })
    t.is(tail.committed, expected, String(newFrom))
    tail.close()
    const again = log.tail({ name, newFrom: expected === 0 ? 'end' : 'start' })
    t.is(again.committed, expected)
    again.close()
  }
})

test('readers are listed by name with position, lag and holder', async (t) => {
  const log = filled(t)
  t.deepEqual(log.readers(), [])
  const tail = log.tail({ name: 'b' })
  await take(tail, 3)
  tail.commit(2)
  log.tail({ name: 'c', newFrom: 'end' }).close()
  log.setReader('a', 5)
  const readers = [
    { name: 'a', nextSeq: 5, lag: 5 },
    { name: 'b', nextSeq: 3, lag: 7, pid: process.pid },
    { name: 'c', nextSeq: 10, lag: 0 },
  ]
  t.deepEqual(log.readers(), readers)
  t.deepEqual(log.stats().readers, readers)
  const other = opened(t, log.path, { readOnly: true })
  t.deepEqual(other.readers(), readers)
  log.append('x')
  t.deepEqual(
    other.readers().map(({ lag }) => lag),
    [6, 8, 1],
  )
})

test('readers are moved and removed while no tail uses them', async (t) => {
  const log = filled(t)
  const tail = log.tail({ name: 'r' })
  await take(tail, 5)
  tail.commit(4)
  const before = snapshot(join(log.path, 'readers'))
  for (const call of [() => log.removeReader('r'), () => log.setReader('r', 1)]) {
    const error = refuses(t, call, 'ERR_CHRONICLE_LOCKED')
    t.is(error.path, join(log.path, 'readers', 'r'))
  }
  t.deepEqual(snapshot(join(log.path, 'readers')), before)
  tail.close()
  log.setReader('r', 1)
  t.deepEqual(await take(log.tail({ name: 'r' }), 1), [1])
  refuses(t, () => log.setReader('r', 1), 'ERR_CHRONICLE_LOCKED')
  log.setReader('new', 10)
  refusesArgument(t, () => log.setReader('new', 11), /behind the end/)
  t.is(log.readers()[0]!.nextSeq, 10)
  log.removeReader('new')
  refuses(t, () => log.removeReader('new'), 'ERR_CHRONICLE_NOT_FOUND')
  refuses(t, () => log.removeReader('never'), 'ERR_CHRONICLE_NOT_FOUND')
  t.deepEqual(
    log.readers().map(({ name }) => name),
    ['r'],
  )
  // A name that was removed is new again.
  t.is(log.tail({ name: 'new' }).committed, 0)
})

test('names that are no file names everywhere are refused and make nothing', (t) => {
  const log = filled(t)
  const bad = ['', '.', '..', '.x', 'x.', 'x ', '../x', 'a/b', 'a\\b', 'a:b', 'a*', 'a?', '"', '<', '>', '|']
  for (const name of [...bad, 'a\0b', 'a\nb', '\u007f', 'a\u0085', 'x'.repeat(129), 'é'.repeat(65)]) {
    refusesArgument(t, () => log.tail({ name }), /reader name/)
    refusesArgument(t, () => log.setReader(name, 0), /reader name/)
    refusesArgument(t, () => log.removeReader(name), /reader name/)
  }
  for (const name of [1, null, {}, Symbol('x'), ['x']] as unknown as string[]) {
    refusesArgument(t, () => log.tail({ name }), /^name must be a string/)
    refusesArgument(t, () => log.setReader(name, 0), /^name must be a string/)
    refusesArgument(t, () => log.removeReader(name), /^name must be a string/)
  }
  t.deepEqual(log.readers(), [])
  for (const name of ['x'.repeat(128), 'é'.repeat(64), 'Ж日本 1', 'a.b', '-', '__proto__', 'constructor']) {
    log.tail({ name }).close()
    t.true(log.readers().some((reader) => reader.name === name))
    log.removeReader(name)
  }
})

test('options that do not go together are refused', async (t) => {
  const log = filled(t)
  const tail = (options: object) => () => log.tail(options as TailOptions)
  refusesArgument(t, tail({ from: 'resume' }), /'resume' without a name/)
  refusesArgument(t, tail({ newFrom: 'start' }), /newFrom needs a name/)
  for (const from of ['start', 'end', 0, -1, new Date(), 5n]) {
    refusesArgument(t, tail({ name: 'x', from }), /from must be 'resume' with a name/)
  }
  for (const newFrom of ['resume', null, 0.5, {}, new Date(NaN)]) {
    refusesArgument(t, tail({ name: 'x', newFrom }), /^newFrom must be/)
  }
  for (const seq of [-1, 0.5, NaN, '1', 2 ** 53] as number[]) {
    refusesArgument(t, () => log.setReader('x', seq), /^seq must be/)
  }
  t.deepEqual(log.readers(), [])

  const unnamed = log.tail({ from: 'start' })
  t.is(unnamed.committed, undefined)
  const message = (await unnamed.next()).value!
  refusesArgument(t, () => unnamed.commit(0), /name/)
  refusesArgument(t, () => message.commit(), /name/)
  refusesArgument(t, () => [...log.read({ limit: 1 })][0]!.commit(), /name/)
})

test('only what was handed out can be committed, and only while the tail is open', async (t) => {
  const log = filled(t)
  const tail = log.tail({ name: 'r' })
  refusesArgument(t, () => tail.commit(0), /not (handed out|read) yet/)
  const [first, second] = [(await tail.next()).value!, (await tail.next()).value!]
  refusesArgument(t, () => tail.commit(2), /message 2 was not handed out yet: the next one is 2/)
  for (const seq of [-1, 0.5, NaN, '0', undefined] as number[]) {
    refusesArgument(t, () => tail.commit(seq), /^seq must be/)
  }
  t.is(tail.committed, 0)
  first.commit()
  tail.close()
  refuses(t, () => second.commit(), 'ERR_CHRONICLE_CLOSED')
  refuses(t, () => tail.commit(1), 'ERR_CHRONICLE_CLOSED')
  refuses(t, () => tail.committed, 'ERR_CHRONICLE_CLOSED')
  t.is(log.readers()[0]!.nextSeq, 1)
  log.close()
  refuses(t, () => log.readers(), 'ERR_CHRONICLE_CLOSED')
  refuses(t, () => log.removeReader('r'), 'ERR_CHRONICLE_CLOSED')
  refuses(t, () => log.setReader('r', 0), 'ERR_CHRONICLE_CLOSED')
  refuses(t, () => log.tail({ name: 'r' }), 'ERR_CHRONICLE_CLOSED')
})

test('nothing of it is written to through a chronicle that is open for reading only', (t) => {
  const log = filled(t)
  log.setReader('r', 3)
  const other = opened(t, log.path, { readOnly: true })
  const before = snapshot(join(log.path, 'readers'))
  refuses(t, () => other.tail({ name: 'r' }), 'ERR_CHRONICLE_READ_ONLY')
  refuses(t, () => other.tail({ name: 'new' }), 'ERR_CHRONICLE_READ_ONLY')
  refuses(t, () => other.setReader('r', 0), 'ERR_CHRONICLE_READ_ONLY')
  refuses(t, () => other.removeReader('r'), 'ERR_CHRONICLE_READ_ONLY')
  t.deepEqual(snapshot(join(log.path, 'readers')), before)
})

test('one tail at a time uses a name, whatever handle it is of', (t) => {
  const log = filled(t)
  const other = opened(t, log.path)
  const tail = log.tail({ name: 'r' })
  for (const handle of [log, other]) {
    const error = refuses(t, () => handle.tail({ name: 'r' }), 'ERR_CHRONICLE_LOCKED')
    t.is(error.pid, process.pid)
    t.is(error.path, join(log.path, 'readers', 'r'))
  }
  other.tail({ name: 'another' })
  tail.close()
  const next = other.tail({ name: 'r' })
  refuses(t, () => log.tail({ name: 'r' }), 'ERR_CHRONICLE_LOCKED')
  other.close()
  t.true(next.closed)
  log.tail({ name: 'r' })
})

const onUnix = process.platform === 'win32' ? test.skip : test

onUnix('a name belongs to its process until that ends, even while it is stopped', async (t) => {
  const log = filled(t)
  const holder = new Peer(t, 'holdName', log.path)
  t.deepEqual(await holder.message(), { committed: 1 })
  t.deepEqual(log.readers(), [{ name: 'billing', nextSeq: 1, lag: 9, pid: holder.pid }])
  holder.child.kill('SIGSTOP')
  for (const call of [
    () => log.tail({ name: 'billing' }),
    () => log.setReader('billing', 5),
    () => log.removeReader('billing'),
  ]) {
    t.is(refuses(t, call, 'ERR_CHRONICLE_LOCKED', new RegExp(String(holder.pid))).pid, holder.pid)
  }
  await holder.kill()
  t.deepEqual(log.readers(), [{ name: 'billing', nextSeq: 1, lag: 9 }])
  t.deepEqual(await take(log.tail({ name: 'billing' }), 1), [1])
})

test('a reader that is killed at any moment goes on with the first message it has not committed', async (t) => {
  const log = filled(t, 0)
  const handled = new Acknowledged(log.path, 'w+')
  for (let round = 0; round < 6; round++) {
    const before = handled.count
    const reader = new Peer(t, 'handleForever', log.path)
    for (let step = 0; handled.count < before + 300; step++) {
      if (reader.child.exitCode !== null) throw new Error('the reader has failed')
      if (log.nextSeq < handled.count + 2000) appendPayloads(log, log.nextSeq, log.nextSeq + 100)
      await pause(1)
    }
    await pause(round)
    await reader.kill()
    const behind = handled.count - log.readers()[0]!.nextSeq
    t.true(behind === 0 || behind === 1, `${behind}`)
  }
  handled.close()
})

test('a name of a durable tail gets only what a power cut cannot take', async (t) => {
  const log = fresh(t, { segmentBytes: 65_536, sync: 'none' })
  log.append('a')
  const tail = log.tail({ name: 'r', durableOnly: true, keepAlive: true })
  const waiting = tail.next()
  let settled = false
  void waiting.then(() => (settled = true))
  await pause(30)
  t.false(settled)
  t.is(await log.sync(), 1)
  const { value } = await waiting
  t.is(value?.text(), 'a')
  value!.commit()
  t.is(tail.committed, 1)
})

/** A log of ten messages whose readers know them all, from the sixth of which on a power cut has taken everything. */
function powerCut(t: ExecutionContext): string {
  const log = fresh(t)
  for (let seq = 0; seq < 10; seq++) log.append('0123456789')
  log.setReader('ahead', 10)
  log.setReader('behind', 2)
  log.close()
  const control = join(log.path, 'control')
  // Another boot, and no durable point.
  overwrite(control, 320, Buffer.alloc(16, 0xee))
  overwrite(control, 384, Buffer.alloc(128))
  overwrite(segment(log.path), SEGMENT_HEADER + 5 * 128, Buffer.alloc(128))
  return log.path
}

test('a reader that knows more than a power cut has left is moved back to the end and told so', (t) => {
  const log = opened(t, powerCut(t))
  const places = { ahead: [5, 10], behind: [2, undefined] }
  for (const [name, place] of Object.entries(places)) {
    const tail = log.tail({ name })
    t.deepEqual([tail.committed, tail.movedBackFrom], place)
    tail.close()
  }
  t.is(log.tail({ name: 'ahead' }).movedBackFrom, undefined)
})

test('opening for writing moves such readers back before anything is appended', (t) => {
  const log = opened(t, powerCut(t))
  t.is(log.append('other'), 5)
  t.like(log.stats().recovery, { sameBoot: false, movedReaders: ['ahead'] })
  t.deepEqual(
    log.readers().map(({ nextSeq, lag }) => [nextSeq, lag]),
    [
      [5, 1],
      [2, 4],
    ],
  )
})

test('a damaged position is refused, and everything else goes on', async (t) => {
  const log = filled(t)
  log.setReader('good', 2)
  log.setReader('bad', 2)
  const path = join(log.path, 'readers', 'bad')
  t.is(statSync(path).size, 4096)
  overwrite(path, 512, Buffer.alloc(1024, 7))
  const before = snapshot(join(log.path, 'readers'))
  const error = refuses(t, () => log.tail({ name: 'bad' }), 'ERR_CHRONICLE_CORRUPT')
  t.is(error.path, path)
  t.true(log.readers()[0]?.failure?.includes(path))
  t.deepEqual(snapshot(join(log.path, 'readers')), before)
  t.deepEqual(await take(log.tail({ name: 'good' }), 1), [2])
  log.removeReader('bad')
  t.is(log.readers().length, 1)
  await rejects(t, log.tail({ name: 'good 2', signal: AbortSignal.abort() }).next(), 'ERR_CHRONICLE_ABORTED')
})

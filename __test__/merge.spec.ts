import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises'

import test, { type ExecutionContext } from 'ava'

import { merge, type Chronicle, type Merge, type Merged, type Message, type Timed } from '../index.ts'
import { Peer } from './helpers/process.ts'
import { refuses, rejects } from './helpers/refusal.ts'
import { fresh } from './helpers/temporary.ts'

/** A message as an array has it. */
interface Note extends Timed {
  readonly name: string
}

function note(name: string, timestamp: number): Note {
  return { name, timestamp, timestampNs: BigInt(timestamp) * 1_000_000n }
}

/** Yields the notes that it is given, when it is given them. */
class Feed implements AsyncIterableIterator<Note, undefined> {
  returns = 0
  asked = 0
  #answers: ((result: IteratorResult<Note, undefined>) => void)[] = []
  #refusals: ((error: unknown) => void)[] = []

  next(): Promise<IteratorResult<Note, undefined>> {
    this.asked++
    return new Promise((resolve, reject) => {
      this.#answers.push(resolve)
      this.#refusals.push(reject)
    })
  }

  async give(value: Note): Promise<void> {
    await this.#owing()
    this.#refusals.shift()
    this.#answers.shift()!({ value, done: false })
  }

  async fail(error: unknown): Promise<void> {
    await this.#owing()
    this.#answers.shift()
    this.#refusals.shift()!(error)
  }

  /** Like that of a generator in the middle of its work, it waits for what was asked. */
  return(): Promise<IteratorResult<Note, undefined>> {
    this.returns++
    return this.#answers.length === 0
      ? Promise.resolve({ value: undefined, done: true })
      : new Promise(() => undefined)
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async #owing(): Promise<void> {
    while (this.#answers.length === 0) await nextTurn()
  }
}

async function all<M extends Timed>(merged: Merge<M>): Promise<Merged<M>[]> {
  const found: Merged<M>[] = []
  for await (const item of merged) found.push(item)
  return found
}

async function take<M extends Timed>(merged: Merge<M>, count: number): Promise<Merged<M>[]> {
  const found: Merged<M>[] = []
  while (found.length < count) {
    const { value, done } = await merged.next()
    if (done === true) break
    found.push(value)
  }
  return found
}

function names(items: readonly Merged<Note>[]): string[] {
  return items.map(({ message, source, late }) => `${source}${message.name}${late ? ' late' : ''}`)
}

/** Expects all messages of the logs, each log's in order, and all by time. */
function ordered(t: ExecutionContext, items: readonly Merged<Message>[], logs: readonly Chronicle[]): void {
  const next = logs.map(({ firstSeq }) => firstSeq)
  let before = 0n
  for (const { message, source, late } of items) {
    if (message.seq !== next[source] || message.timestampNs < before || late)
      t.fail(`${source}: ${message.seq}`)
    next[source]!++
    before = message.timestampNs
  }
  t.deepEqual(
    next,
    logs.map(({ nextSeq }) => nextSeq),
  )
}

test('what is ready is in one order, ties in that of the sources', async (t) => {
  const a = [note('a', 1), note('b', 3), note('c', 3), note('d', 9)]
  const b = [note('e', 0), note('f', 3), note('g', 9)]
  t.deepEqual(names(await all(merge([a, b]))), ['1e', '0a', '0b', '0c', '1f', '0d', '1g'])
  t.deepEqual(names(await all(merge([b, a]))), ['0e', '1a', '0f', '1b', '1c', '0g', '1d'])
  t.deepEqual(await all(merge([])), [])
  t.deepEqual(names(await all(merge([[], a, new Set<Note>()]))), ['1a', '1b', '1c', '1d'])
  // A source whose own order is another one keeps it, and says so.
  t.deepEqual(names(await all(merge([[note('x', 5), note('y', 2)], [note('z', 4)]]))), [
    '1z',
    '0x',
    '0y late',
  ])
})

test('messages are compared by what by says', async (t) => {
  const a = [note('c', 9), note('e', 2)]
  const b = [note('a', 8), note('d', 1)]
  const by = ({ name }: Note) => name.charCodeAt(0)
  t.deepEqual(names(await all(merge([a, b], { by }))), ['1a', '0c', '1d', '0e'])
  t.deepEqual(names(await all(merge([a, b], { by: (message) => BigInt(by(message)) }))), [
    '1a',
    '0c',
    '1d',
    '0e',
  ])
  const feed = new Feed()
  const nothing = merge([feed, a], { by: () => Number.NaN })
  await rejects(t, nothing.next(), 'ERR_CHRONICLE_INVALID_ARGUMENT')
  t.is(feed.returns, 1)
})

test('finite and live logs are merged, a backlog in one order', async (t) => {
  const logs = [fresh(t), fresh(t), fresh(t)]
  for (let round = 0; round < 3000; round++) {
    const log = logs[(round * 7 + (round % 5)) % 3]!
    if (round % 4 === 0) log.appendBatch(['x', 'y', 'z'])
    else log.append(`${round}`)
  }
  ordered(t, await all(merge(logs.map((log) => log.read()))), logs)
  const count = logs.reduce((sum, { nextSeq }) => sum + nextSeq, 0)
  const [first, second, third] = logs as [Chronicle, Chronicle, Chronicle]
  for (const holdMs of [0, 10, 60_000, Infinity]) {
    const tails = [first.tail({ from: 'start' }), second.tail({ from: 'start' })]
    const merged = merge([...tails, third.read()], { holdMs })
    // As long as each source has something, nothing is held.
    const ready = await take(merged, 2000)
    const times = ready.map(({ message }) => message.timestampNs)
    t.deepEqual(
      times,
      times.toSorted((a, b) => (a < b ? -1 : 1)),
    )
    t.true(ready.every(({ late }) => !late))
    await merged.close()
    t.true(tails.every(({ closed }) => closed))
  }
  const merged = merge(
    logs.map((log) => log.tail({ from: 'start' })),
    { by: 'timestamp' },
  )
  ordered(t, await take(merged, count), logs)
  await merged.return()
})

test('a quiet source holds the others up for holdMs, and not again', async (t) => {
  const quiet = new Feed()
  const merged = merge([quiet, [note('old', 1), note('older', 2)]])
  t.deepEqual(names(await take(merged, 2)), ['1old', '1older'])
  const waiting = merged.next()
  await quiet.give(note('now', Date.now()))
  t.deepEqual(names([(await waiting).value!]), ['0now'])
  await merged.close()
  t.deepEqual([quiet.asked, quiet.returns], [1, 1])
})

test('what is known while a message is held comes in its place, and what comes later is marked', async (t) => {
  const [a, b] = [new Feed(), new Feed()]
  const merged = merge([a, b], { holdMs: 60_000 })
  const now = Date.now()
  const first = merged.next()
  await a.give(note('second', now))
  await b.give(note('first', now - 1))
  t.deepEqual(names([(await first).value!]), ['1first'])
  await merged.close()

  const [c, d] = [new Feed(), new Feed()]
  const hasty = merge([c, d], { holdMs: 0 })
  const next = hasty.next()
  await c.give(note('first', now))
  t.deepEqual(names([(await next).value!]), ['0first'])
  const later = hasty.next()
  await d.give(note('late', now - 1))
  t.deepEqual(names([(await later).value!]), ['1late late'])
  // A clock that went back keeps nobody waiting.
  const future = hasty.next()
  await c.give(note('to come', now + 1e9))
  t.deepEqual(names([(await future).value!]), ['0to come'])
  await hasty.close()
})

test('a quiet source that answers while another one is asked is heard, at whatever moment', async (t) => {
  const [busy, quiet] = [new Feed(), new Feed()]
  const merged = merge([busy, quiet], { holdMs: 0 })
  for (let ticks = 0; ticks < 20; ticks++) {
    // Nothing of the quiet source has come by then.
    const next = merged.next()
    await busy.give(note('busy', ticks))
    t.deepEqual(names([(await next).value!]), ['0busy'])
    const heard = merged.next()
    for (let tick = 0; tick < ticks; tick++) await undefined
    await quiet.give(note('quiet', ticks))
    t.deepEqual(names([(await heard).value!]), ['1quiet'])
  }
  await merged.close()
})

test('with Infinity every source is waited for', async (t) => {
  const feed = new Feed()
  const merged = merge([feed, [note('a', 5), note('b', Date.now() + 1e9)]], { holdMs: Infinity })
  /** The next message, which comes only once the feed has given one. */
  const withheld = async (given: Note) => {
    let settled = false
    const next = merged.next().finally(() => (settled = true))
    await pause(20)
    t.false(settled)
    await feed.give(given)
    return names([(await next).value!])
  }
  t.deepEqual(await withheld(note('c', 4)), ['0c'])
  t.deepEqual(await withheld(note('d', 6)), ['1a'])
  t.deepEqual(names(await take(merged, 1)), ['0d'])
  await merged.close()
})

test('logs that other processes write are followed in order', async (t) => {
  const logs = [fresh(t), fresh(t)]
  const tails = logs.map((log) => log.tail({ keepAlive: true }))
  const merged = merge(tails, { holdMs: 1000 })
  const count = 1000
  const peers = logs.map(({ path }) => new Peer(t, 'write', path, count))
  ordered(t, await take(merged, 2 * count), logs)
  for (const peer of peers) t.is((await peer.exit).code, 0)
  await merged.close()
})

test('leaving the loop and closing end all sources and a waiting next()', async (t) => {
  const logs = [fresh(t), fresh(t)]
  logs[0]!.append('x')
  const tails = () => logs.map((log) => log.tail({ from: 'start' }))
  const left = tails()
  for await (const { message } of merge(left)) {
    t.is(message.text(), 'x')
    break
  }
  t.true(left.every(({ closed }) => closed))

  const closed = tails()
  const merged = merge(closed)
  await merged.next()
  const waiting = [merged.next(), merged.next()]
  await pause(5)
  await Promise.all([merged.close(), merged.close()])
  t.deepEqual(await Promise.all(waiting), [
    { value: undefined, done: true },
    { value: undefined, done: true },
  ])
  t.true(closed.every((tail) => tail.closed))
  t.deepEqual(await merged.next(), { value: undefined, done: true })

  const unread = tails()
  const never = merge([...unread, logs[0]!.read()])
  await never[Symbol.asyncDispose]()
  t.true(unread.every((tail) => tail.closed))
})

test('a signal ends all sources, before, while and between messages are asked for', async (t) => {
  const log = fresh(t)
  log.appendBatch(['x', 'y'])
  const reason = new Error('enough')
  const abortError = { name: 'AbortError', cause: reason }

  const early = log.tail()
  const aborted = merge([early], { signal: AbortSignal.abort(reason) })
  t.true(early.closed)
  t.like(await rejects(t, aborted.next(), 'ERR_CHRONICLE_ABORTED'), abortError)
  t.deepEqual(await aborted.next(), { value: undefined, done: true })

  for (const moment of ['waiting', 'between'] as const) {
    const controller = new AbortController()
    const tails = [log.tail({ from: 'start' }), log.tail()]
    const merged = merge(tails, { signal: controller.signal })
    t.is((await take(merged, 2)).length, 2)
    const next = moment === 'waiting' ? merged.next() : undefined
    await pause(5)
    controller.abort(reason)
    t.true(tails.every(({ closed }) => closed))
    const error = await rejects(t, next ?? merged.next(), 'ERR_CHRONICLE_ABORTED')
    t.like(error, abortError)
    t.deepEqual(await merged.next(), { value: undefined, done: true })
  }
})

test('an error of one source closes the others and is thrown once', async (t) => {
  const log = fresh(t)
  const tail = log.tail()
  const feed = new Feed()
  const merged = merge([tail, feed])
  const next = merged.next()
  await feed.fail(new Error('broken'))
  await t.throwsAsync(() => next, { message: 'broken' })
  t.true(tail.closed)
  t.deepEqual(await merged.next(), { value: undefined, done: true })
  await merged.close()

  const other = log.tail()
  const thrower: Iterable<Message> = {
    [Symbol.iterator]: () => {
      throw new Error('no iterator')
    },
  }
  await t.throwsAsync(() => merge([thrower, other]).next(), { message: 'no iterator' })
  t.true(other.closed)

  // What a source throws at its end comes out where nothing else went wrong.
  const rude = {
    next: () => ({ value: note('a', 1), done: false }),
    return: () => {
      throw new Error('at the end')
    },
    [Symbol.iterator](): Iterator<Note> {
      return this as Iterator<Note>
    },
  }
  const ending = merge([rude])
  await ending.next()
  await t.throwsAsync(() => ending.close(), { message: 'at the end' })

  const closing = merge([fresh(t).tail(), log.tail()])
  const waiting = closing.next()
  await pause(1)
  log.close()
  await rejects(t, waiting, 'ERR_CHRONICLE_CLOSED')
})

test('sources that fail after the end, and one after the other, leave no rejection unhandled', async (t) => {
  const unhandled: unknown[] = []
  const listener = (error: unknown) => unhandled.push(error)
  process.on('unhandledRejection', listener)
  t.teardown(() => process.off('unhandledRejection', listener))
  const [a, b] = [new Feed(), new Feed()]
  const merged = merge([a, b])
  void merged.next().catch(() => undefined)
  await a.fail(new Error('first'))
  await b.fail(new Error('second'))
  await pause(1)
  const c = new Feed()
  const closed = merge([c, [note('x', 1)]])
  await closed.next()
  await closed.close()
  await c.fail(new Error('too late'))
  const controller = new AbortController()
  merge([fresh(t).tail()], { signal: controller.signal })
  controller.abort()
  await pause(5)
  t.deepEqual(unhandled, [])
})

test('arguments are checked', (t) => {
  const code = 'ERR_CHRONICLE_INVALID_ARGUMENT'
  refuses(t, () => merge({} as never), code)
  refuses(t, () => merge([1] as never), code)
  refuses(t, () => merge(['text'] as never), code)
  refuses(t, () => merge([], { by: 'seq' } as never), code)
  refuses(t, () => merge([], { hold: 1 } as never), code)
  for (const holdMs of [-1, Number.NaN, 2 ** 31, '1']) refuses(t, () => merge([], { holdMs } as never), code)
  refuses(t, () => merge([], { signal: {} } as never), code)
})

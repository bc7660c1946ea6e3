import { setTimeout as pause } from 'node:timers/promises'

import test, { type ExecutionContext } from 'ava'

import { Chronicle } from '../index.ts'
import type { NativeFrom } from '../lib/checks.ts'
import { NativeChronicle } from '../lib/native.ts'
import { Tail } from '../lib/tail.ts'
import { Waiting } from '../lib/waiting.ts'
import { rejects } from './helpers/refusal.ts'
import { fresh, opened } from './helpers/temporary.ts'

test('a tail starts at the end, at the moment it is made', async (t) => {
  const log = fresh(t)
  log.append('before')
  const tail = log.tail({ keepAlive: true })
  log.append('after')
  const first = await tail.next()
  t.is(first.value?.text(), 'after')
  const waiting = tail.next()
  await pause(20)
  log.append('later')
  t.is((await waiting).value?.text(), 'later')
})

test('a tail yields what there is and follows across segments', async (t) => {
  const log = fresh(t)
  for (let seq = 0; seq < 1500; seq++) log.append(`m${seq}`)
  const writing = (async () => {
    for (let seq = 1500; seq < 6000; seq++) {
      log.append(`m${seq}`)
      if (seq % 100 === 0) await pause(1)
    }
  })()
  let seq = 0
  for await (const message of log.tail({ from: 'start', keepAlive: true })) {
    t.is(message.seq, seq)
    t.is(message.text(), `m${seq}`)
    if (++seq === 6000) break
  }
  await writing
  t.is(seq, 6000)
})

/**
 * A tail whose waiting thread does not look by itself every second: a wake-up that is lost is waited for until AVA gives up.
 */
function unaided(t: ExecutionContext, dir: string, readOnly: boolean): Tail {
  const opening = NativeChronicle.open(dir, { create: false, readOnly, mode: 0o600, allowNetworkFs: false })
  const waiting = new Waiting((notify, periodMs) => opening.waiter(notify, periodMs), 2 ** 31)
  t.teardown(() => {
    waiting.close()
    opening.close()
  })
  const home = {
    closed: false,
    decoding: undefined,
    firstSeq: 0,
    nextSeq: 0,
    reader: (from: NativeFrom, durableOnly: boolean) => opening.reader(from, durableOnly),
    namedReader: (name: string, from: NativeFrom, durableOnly: boolean) =>
      opening.namedReader(name, from, durableOnly),
  }
  return new Tail(home, waiting, { keepAlive: true })
}

for (const readOnly of [false, true]) {
  test(`no message is slept through, however the calls fall${readOnly ? ', by one who only reads' : ''}`, async (t) => {
    // A flush wakes too, and by default comes every second.
    const log = fresh(t, { sync: 'none' })
    const tail = unaided(t, log.path, readOnly)
    for (let seq = 0; seq < 300; seq++) {
      const next = tail.next()
      if (seq % 3 > 0) await pause(seq % 3 === 1 ? 0 : 2)
      log.append(`${seq}`)
      t.is((await next).value?.text(), `${seq}`)
    }
  })
}

test('calls of next that come at once are answered in order', async (t) => {
  const log = fresh(t)
  const tail = log.tail({ keepAlive: true })
  const calls = [tail.next(), tail.next(), tail.next()]
  log.append('a')
  await pause(10)
  log.appendBatch(['b', 'c'])
  const texts = (await Promise.all(calls)).map((result) => result.value?.text())
  t.deepEqual(texts, ['a', 'b', 'c'])
})

test('an aborted signal ends a tail that waits, and one that does not', async (t) => {
  const log = fresh(t)
  const abort = new AbortController()
  const tail = log.tail({ signal: abort.signal, keepAlive: true })
  const waiting = tail.next()
  await pause(10)
  const reason = new Error('enough')
  abort.abort(reason)
  const error = await rejects(t, waiting, 'ERR_CHRONICLE_ABORTED')
  t.is(error.name, 'AbortError')
  t.is(error.cause, reason)
  t.true(tail.closed)
  t.deepEqual(await tail.next(), { value: undefined, done: true })

  log.appendBatch(['a', 'b', 'c'])
  const second = new AbortController()
  await rejects(
    t,
    (async () => {
      for await (const message of log.tail({ from: 'start', signal: second.signal })) {
        t.is(message.seq, 0)
        second.abort()
      }
    })(),
    'ERR_CHRONICLE_ABORTED',
  )
  await rejects(t, log.tail({ signal: AbortSignal.abort() }).next(), 'ERR_CHRONICLE_ABORTED')
})

test('closing the tail or leaving the loop ends it quietly, closing the log throws', async (t) => {
  const log = fresh(t)
  const tail = log.tail({ keepAlive: true })
  const waiting = tail.next()
  await pause(5)
  tail.close()
  t.deepEqual(await waiting, { value: undefined, done: true })
  t.deepEqual(await tail.return(), { value: undefined, done: true })
  t.deepEqual(await tail.next(), { value: undefined, done: true })

  const second = log.tail({ keepAlive: true })
  const late = second.next()
  await pause(5)
  log.close()
  await rejects(t, late, 'ERR_CHRONICLE_CLOSED')
})

test('many tails of one chronicle wake together', async (t) => {
  const log = fresh(t)
  const tails = Array.from({ length: 50 }, () => log.tail({ keepAlive: true }))
  for (let round = 0; round < 20; round++) {
    const calls = tails.map((tail) => tail.next())
    if (round % 2 === 0) await pause(2)
    log.append(`${round}`)
    for (const { value } of await Promise.all(calls)) t.is(value?.text(), `${round}`)
  }
})

test('a backlog leaves the event loop its turns', async (t) => {
  const log = fresh(t, { segmentBytes: 1 << 20 })
  const items = Array.from({ length: 1000 }, () => 'x'.repeat(40))
  for (let count = 0; count < 300; count++) log.appendBatch(items)
  let turns = 0
  const timer = setInterval(() => turns++, 1)
  let seen = 0
  for await (const message of log.tail({ from: 'start' })) {
    seen += message.length / 40
    if (seen === 300_000) break
  }
  clearInterval(timer)
  t.true(turns >= 5, `${turns} turns`)
})

test('a tail that is dropped while it waits does not keep the log from closing', async (t) => {
  const dir = fresh(t).path
  for (let round = 0; round < 50; round++) {
    const log = Chronicle.open(dir)
    void log
      .tail()
      .next()
      .catch(() => undefined)
    if (round % 5 === 0) await pause(1)
    log.close()
  }
  t.is(opened(t, dir).append('fine'), 0)
})

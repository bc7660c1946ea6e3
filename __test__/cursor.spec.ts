import test from 'ava'

import { NativeChronicle } from '../native/binding.cjs'
import { refuses, refusesArgument } from './helpers/refusal.ts'
import { fresh } from './helpers/temporary.ts'

test('a cursor stands on one message after the other', (t) => {
  const log = fresh(t)
  for (let seq = 0; seq < 2000; seq++) log.append(`m${seq}`, { type: seq })
  const cursor = log.cursor()
  for (let seq = 0; seq < 2000; seq++) {
    t.true(cursor.next())
    t.is(cursor.seq, seq)
    t.is(cursor.type, seq)
    t.is(cursor.text(), `m${seq}`)
    t.is(cursor.length, `m${seq}`.length)
    t.is(Buffer.from(cursor.payload).toString(), `m${seq}`)
    t.is(cursor.batchRemaining, 0)
  }
  t.false(cursor.next())
})

test.serial('a cursor that looks again and again asks the native reader alone', (t) => {
  const log = fresh(t)
  const cursor = log.cursor()
  const { firstSeq } = NativeChronicle.prototype
  let asked = 0
  NativeChronicle.prototype.firstSeq = function (this: NativeChronicle) {
    asked++
    return firstSeq.call(this)
  }
  try {
    for (let turn = 0; turn < 10; turn++) t.false(cursor.next())
    t.is(asked, 0)
    t.is(log.firstSeq, 0)
    t.is(asked, 1)
  } finally {
    NativeChronicle.prototype.firstSeq = firstSeq
  }
})

test('a cursor goes on when there is more, and stops at the end of its range for good', (t) => {
  const log = fresh(t)
  const cursor = log.cursor({ from: 2, to: 5 })
  t.false(cursor.next())
  log.appendBatch(['a', 'b', 'c'])
  t.true(cursor.next())
  t.is(cursor.text(), 'c')
  t.false(cursor.next())
  log.appendBatch(['d', 'e', 'f'])
  t.true(cursor.next())
  t.is(cursor.text(), 'd')
  t.true(cursor.next())
  t.false(cursor.next({ wait: 5 }))
  log.append('g')
  t.false(cursor.next())
})

test('a limit counts over all steps', (t) => {
  const log = fresh(t)
  const cursor = log.cursor({ limit: 3 })
  log.appendBatch(['a', 'b'])
  t.true(cursor.next() && cursor.next())
  t.false(cursor.next())
  log.appendBatch(['c', 'd'])
  t.true(cursor.next())
  t.is(cursor.text(), 'c')
  t.false(cursor.next())
})

test('a cursor that stands on no message says so', (t) => {
  const log = fresh(t)
  const cursor = log.cursor()
  refusesArgument(t, () => cursor.seq, /stands on no message/)
  log.append('x')
  t.true(cursor.next())
  t.is(cursor.seq, 0)
  t.false(cursor.next())
  refusesArgument(t, () => cursor.payload, /stands on no message/)
  refusesArgument(t, () => cursor.text(), /stands on no message/)
})

test('a closed cursor refuses', (t) => {
  const log = fresh(t)
  log.append('x')
  const cursor = log.cursor()
  t.true(cursor.next())
  const payload = cursor.payload
  t.false(cursor.closed)
  cursor.close()
  cursor.close()
  t.true(cursor.closed)
  refuses(t, () => cursor.next(), 'ERR_CHRONICLE_CLOSED')
  refusesArgument(t, () => cursor.seq, /stands on no message/)
  t.is(payload[0], 120)
  {
    using other = log.cursor()
    t.true(other.next())
  }
  t.is(log.append('y'), 1)
})

test('handing the memory of a payload to another thread does not harm the cursor', (t) => {
  const log = fresh(t)
  for (let seq = 0; seq < 3000; seq++) log.append(`m${seq}`)
  const cursor = log.cursor()
  t.true(cursor.next())
  const { buffer } = cursor.payload
  structuredClone(buffer, { transfer: [buffer as ArrayBuffer] })
  t.throws(() => cursor.payload, { instanceOf: TypeError })
  let seq = 0
  while (cursor.next()) t.is(cursor.seq, ++seq)
  t.is(seq, 2999)
  t.is(cursor.next(), false)
  log.append('after')
  t.true(cursor.next())
  t.is(cursor.text(), 'after')
})

test('next waits for a message as long as it is told', (t) => {
  const log = fresh(t)
  const cursor = log.cursor()
  const start = performance.now()
  t.false(cursor.next({ wait: 120 }))
  const waited = performance.now() - start
  t.true(waited >= 119 && waited < 2000, `${waited} ms`)
  log.append('x')
  t.true(cursor.next({ wait: 10_000 }))
  t.is(cursor.text(), 'x')
})

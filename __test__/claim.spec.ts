/** Claims: messages that are filled in place, and then published or given back without a trace. */
import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'

import test from 'ava'

import { Chronicle, Claim, type PublishOptions } from '../index.ts'
import { appendPayloads, checkPayloads } from './helpers/contents.ts'
import { bases, segment } from './helpers/files.ts'
import { Peer } from './helpers/process.ts'
import { refuses, refusesArgument } from './helpers/refusal.ts'
import { fresh, nowhere, opened } from './helpers/temporary.ts'

test('a claim is filled in any order and published as one message', async (t) => {
  const log = fresh(t)
  const tail = log.tail({ keepAlive: true })
  const waiting = tail.next()
  let settled = false
  void waiting.then(() => (settled = true))
  const claim = log.claim(12)
  t.true(claim instanceof Claim)
  t.deepEqual([claim.length, claim.closed], [12, false])
  claim.write(Buffer.from('world'), 6)
  claim.write(Buffer.from('hello'))
  claim.write(new Uint8Array(0), 12)
  await pause(20)
  t.false(settled)
  t.deepEqual([log.nextSeq, [...log.read()].length], [0, 0])
  t.is(claim.publish({ type: 65_535 }), 0)
  t.true(claim.closed)
  const message = (await waiting).value!
  // What is never written is zero.
  t.deepEqual([message.text(), message.type, message.length], ['hello\0world\0', 65_535, 12])
  t.is(log.claim(0).publish(), 1)
  const [empty] = [...log.read({ from: 1 })]
  t.deepEqual([empty!.length, empty!.type], [0, 0])
})

test('claims of all sizes stand among other messages', (t) => {
  const log = fresh(t)
  const sizes = [0, 1, 63, 64, 65, 4096, 30_000, 65_000, 65_536, 1_000_000, 20_000_000]
  for (const [index, size] of sizes.entries()) {
    t.is(log.append(`before ${size}`), index * 2)
    const claim = log.claim(size)
    for (let at = 0; at < size; at += 1 << 20) {
      claim.write(Buffer.alloc(Math.min(1 << 20, size - at), index + 1), at)
    }
    t.is(claim.publish({ type: index }), index * 2 + 1)
  }
  for (const [index, message] of [...log.read()].entries()) {
    const size = sizes[index >> 1]!
    if (index % 2 === 0) t.is(message.text(), `before ${size}`)
    else {
      t.deepEqual([message.type, message.length], [index >> 1, size])
      t.is(Buffer.compare(message.payload, Buffer.alloc(size, (index >> 1) + 1)), 0)
    }
  }
})

test('an aborted claim leaves no trace in the log nor in the file', (t) => {
  const log = fresh(t, { segmentBytes: 65_536, sync: 'none' })
  for (let round = 0; round < 20; round++) {
    const claim = log.claim(2000)
    claim.write(Buffer.alloc(2000, 0xff))
    if (round % 2 === 0) claim.abort()
    else {
      using disposed = claim
      t.false(disposed.closed)
    }
    t.true(claim.closed)
    claim.abort()
    t.is(log.nextSeq, round)
    // Its commit word and that of the next message lie where the claim's bytes were.
    t.is(log.append('x'), round)
  }
  t.is([...log.read()].length, 20)
  log.claim(3000).write(Buffer.alloc(3000, 0xff))
  log.close()
  t.false(readFileSync(segment(log.path)).includes(Buffer.alloc(64, 0xff)))
  t.is(opened(t, log.path).append('y'), 20)
})

test('a published claim stays at the end of a using block', (t) => {
  const log = fresh(t)
  {
    using claim = log.claim(3)
    claim.write(Buffer.from('abc'))
    claim.publish()
  }
  t.deepEqual(
    [...log.read()].map((message) => message.text()),
    ['abc'],
  )
})

test('while a claim is open everything else that would be appended is refused', async (t) => {
  const log = fresh(t)
  log.append('zero')
  const claim = log.claim(5)
  for (const call of [() => log.append('x'), () => log.appendBatch(['a', 'b']), () => log.claim(1)]) {
    refusesArgument(t, call, /claim/)
  }
  refuses(t, () => opened(t, log.path).append('x'), 'ERR_CHRONICLE_LOCKED')
  // Reading, flushing and pruning go on.
  t.is([...log.read()].length, 1)
  t.is(await log.sync(), 1)
  t.is(log.prune({ keepBytes: 0 }).segments, 0)
  claim.write(Buffer.from('one'))
  t.is(claim.publish(), 1)
  t.is(log.append('two'), 2)
  await log.durable(2)
})

test('what is written outside, and arguments of the wrong kind, are refused and change nothing', (t) => {
  const log = fresh(t)
  const lengths = [-1, 0.5, NaN, Infinity, '1', null, undefined, 1n, 2 ** 53] as number[]
  for (const length of lengths) refusesArgument(t, () => log.claim(length), /^length must be/)
  refuses(t, () => log.claim(2 ** 30 + 1), 'ERR_CHRONICLE_TOO_LARGE')
  const claim = log.claim(4)
  claim.write(Buffer.from('good'))
  for (const [bytes, offset] of [
    [5, 0],
    [1, 4],
    [4, 1],
    [1, 2 ** 53 - 1],
    [0, 5],
  ] as const) {
    refuses(t, () => claim.write(new Uint8Array(bytes), offset), 'ERR_CHRONICLE_OUT_OF_BOUNDS')
  }
  for (const offset of [-1, 0.5, NaN, '1', null] as number[]) {
    refusesArgument(t, () => claim.write(new Uint8Array(1), offset), /^offset must be/)
  }
  for (const bytes of [
    'x',
    [1],
    null,
    undefined,
    1,
    {},
    new ArrayBuffer(1),
    new DataView(new ArrayBuffer(1)),
  ]) {
    refuses(t, () => claim.write(bytes as Uint8Array), 'ERR_CHRONICLE_INVALID_ARGUMENT')
  }
  for (const type of [-1, 65_536, 0.5, '1', null]) {
    refusesArgument(t, () => claim.publish({ type } as PublishOptions), /^type must be/)
  }
  refusesArgument(t, () => claim.publish({ expectedSeq: 0 } as PublishOptions), /publish has no option/)
  refusesArgument(t, () => claim.publish(1 as PublishOptions), /options of publish/)
  t.false(claim.closed)
  t.is(claim.publish(), 0)
  t.is([...log.read()][0]!.text(), 'good')
})

test('bytes of shared memory are copied, those of a detached buffer refused', (t) => {
  const log = fresh(t)
  const claim = log.claim(4)
  const shared = new Uint8Array(new SharedArrayBuffer(4)).fill(7)
  claim.write(shared)
  shared.fill(8)
  const detached = new Uint8Array(4)
  structuredClone(detached, { transfer: [detached.buffer] })
  claim.write(detached)
  claim.publish()
  t.deepEqual([...[...log.read()][0]!.payload], [7, 7, 7, 7])
})

test('a claim ends with its publishing, its abort and its chronicle', (t) => {
  const log = fresh(t)
  const published = log.claim(1)
  published.publish()
  const given = log.claim(1)
  given.abort()
  const open = log.claim(1)
  for (const claim of [published, given]) {
    refuses(t, () => claim.write(new Uint8Array(1)), 'ERR_CHRONICLE_CLOSED')
    refuses(t, () => claim.publish(), 'ERR_CHRONICLE_CLOSED')
    // Nor does it end the one that is open now.
    claim.abort()
  }
  open.write(Buffer.from('!'))
  log.close()
  refuses(t, () => open.write(new Uint8Array(1)), 'ERR_CHRONICLE_CLOSED')
  refuses(t, () => open.publish(), 'ERR_CHRONICLE_CLOSED')
  t.true(open.closed)
  open.abort()
  refuses(t, () => log.claim(1), 'ERR_CHRONICLE_CLOSED')
  const other = opened(t, log.path, { readOnly: true })
  refuses(t, () => other.claim(1), 'ERR_CHRONICLE_READ_ONLY')
  t.is([...other.read()].length, 1)
})

test('a writer that is killed with an open claim leaves nothing of it', async (t) => {
  const dir = nowhere(t)
  Chronicle.open(dir, { segmentBytes: 65_536 }).close()
  let end = 0
  for (let round = 0; round < 4; round++) {
    const writer = new Peer(t, 'claimForever', dir)
    const { claimed } = await writer.message<{ claimed: number }>()
    t.is(claimed, end)
    await pause(round * 7)
    await writer.kill()
    const log = opened(t, dir)
    log.acquire()
    t.is(log.nextSeq, end)
    t.like(log.stats().recovery, { sameBoot: true, quarantined: [] })
    appendPayloads(log, end, end + 300)
    end += 300
    t.is(checkPayloads(t, log), end)
    log.close()
  }
  t.true(bases(dir).length > 2)
})

import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'

import test, { type ExecutionContext } from 'ava'

import { fresh, nowhere, opened } from './helpers/temporary.ts'

function start(t: ExecutionContext, task: string, dir: string): Worker {
  const worker = new Worker(new URL('helpers/worker.mjs', import.meta.url), { workerData: { task, dir } })
  t.teardown(() => worker.terminate())
  return worker
}

async function said<T>(worker: Worker): Promise<T> {
  const [message] = await once(worker, 'message')
  return message as T
}

test('every class works in a worker', async (t) => {
  const dir = nowhere(t)
  const worker = start(t, 'everything', dir)
  t.deepEqual(await said(worker), {
    texts: ['from a worker', 'a', 'b'],
    cursor: true,
    tail: 'from a worker',
    header: 5,
  })
  await once(worker, 'exit')
  t.is(opened(t, dir).append('and here'), 3)
})

test('a worker of the writing process is refused the lock', async (t) => {
  const log = fresh(t)
  log.acquire()
  t.is(await said(start(t, 'acquire', log.path)), 'ERR_CHRONICLE_LOCKED')
  log.close()
  t.is(await said(start(t, 'acquire', log.path)), 'acquired')
})

test('a worker follows what the main thread appends, and is terminated while it waits', async (t) => {
  const log = fresh(t)
  log.append('zero')
  for (let round = 0; round < 5; round++) {
    const worker = start(t, 'tail', log.path)
    t.is(await said(worker), 'ready')
    t.is(await said(worker), 0)
    if (round % 2 === 1) log.append('more')
    await pause(round * 3)
    t.is(await worker.terminate(), 1)
  }
})

test('a worker that blocks in a cursor is woken by an append, and can be terminated', async (t) => {
  const log = fresh(t)
  const worker = start(t, 'block', log.path)
  t.is(await said(worker), 'ready')
  await pause(20)
  const answer = said(worker)
  log.append('wake')
  t.is(await answer, 0)
  const begun = performance.now()
  await worker.terminate()
  t.true(performance.now() - begun < 2000)
})

test('a worker that is terminated while it writes and flushes gives the lock back and leaves a good log', async (t) => {
  const { path } = fresh(t)
  let before = 0
  for (let round = 0; round < 5; round++) {
    const worker = start(t, 'sync', path)
    t.is(await said(worker), 'ready')
    await pause(5 + round * 10)
    await worker.terminate()
    const log = opened(t, path)
    log.acquire({ wait: 5000 })
    const messages = [...log.read()]
    t.is(messages.length, log.nextSeq)
    t.true(log.nextSeq >= before)
    before = log.nextSeq
    log.close()
  }
  t.true(before > 0)
})

test('a worker that is terminated while it reads takes nothing with it', async (t) => {
  const log = fresh(t)
  for (let count = 0; count < 5000; count++) log.append(`m${count}`)
  for (let round = 0; round < 3; round++) {
    const worker = start(t, 'read', log.path)
    t.is(await said(worker), 'ready')
    await pause(10)
    await worker.terminate()
  }
  t.is([...log.read()].length, 5000)
})

test('many workers open and close one log', async (t) => {
  const log = fresh(t)
  log.append('x')
  const workers = Array.from({ length: 4 }, () => start(t, 'tail', log.path))
  await Promise.all(workers.map((worker) => said(worker)))
  log.append('y')
  await Promise.all(workers.map((worker) => worker.terminate()))
  t.is(log.append('z'), 2)
})

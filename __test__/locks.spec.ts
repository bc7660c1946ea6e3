/** The writer lock, between processes that want it and those that inherit from its holder. */
import { readdirSync, readlinkSync } from 'node:fs'

import test from 'ava'

import { type Win } from './helpers/locks.ts'
import { Peer } from './helpers/process.ts'
import { refuses } from './helpers/refusal.ts'
import { fresh } from './helpers/temporary.ts'

test('of two processes that race for the lock a thousand times, never both have it', async (t) => {
  const log = fresh(t)
  const racers = [new Peer(t, 'race', log.path, 500), new Peer(t, 'race', log.path, 500)]
  let waited = 0
  for (const racer of racers) waited += (await racer.message<{ waited: number }>()).waited
  // Without losers there was no race.
  t.true(waited >= 20, `${waited}`)
  const next = new Map(racers.map(({ pid }) => [pid, 0]))
  let handovers = 0
  let last = 0
  for (const message of log.read()) {
    const { pid, win } = message.json<Win>()
    t.is(next.get(pid), win)
    next.set(pid, win + 1)
    if (pid !== last) handovers++
    last = pid
  }
  t.deepEqual([...next.values()], [500, 500])
  t.true(handovers >= 20, `${handovers}`)
  t.is(log.stats().epoch, 1000)
})

const onUnix = process.platform === 'win32' ? test.skip : test

onUnix('a process that the writer has spawned does not hold the lock', async (t) => {
  const log = fresh(t)
  const holder = new Peer(t, 'holdWithChild', log.path)
  const { child } = await holder.message<{ child: number }>()
  t.teardown(() => process.kill(child, 'SIGKILL'))
  t.is(refuses(t, () => log.acquire(), 'ERR_CHRONICLE_LOCKED').pid, holder.pid)
  await holder.kill()
  t.true(process.kill(child, 0), 'the child is alive')
  if (process.platform === 'linux') {
    const inherited = readdirSync(`/proc/${child}/fd`).map((name) =>
      readlinkSync(`/proc/${child}/fd/${name}`),
    )
    t.deepEqual(
      inherited.filter((path) => path.startsWith(log.path)),
      [],
    )
  }
  log.acquire()
  t.is(log.append('mine now'), 1)
})

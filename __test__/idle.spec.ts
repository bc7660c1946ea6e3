/** Waiting costs nothing: counted by how often threads wake up, which no busy machine makes more. */
import test from 'ava'

import { type Idleness } from './helpers/idle.ts'
import { Peer } from './helpers/process.ts'
import { fresh } from './helpers/temporary.ts'

const onLinux = process.platform === 'linux' ? test : test.skip

onLinux('an idle tail takes no CPU', async (t) => {
  const log = fresh(t)
  const peer = new Peer(t, 'idle', log.path, 5000)
  const took = await peer.message<Idleness>()
  t.log(took)
  // The waiting thread looks up once a second, and has the main thread look too.
  t.true(took.wakeUps < 25, `${took.wakeUps} wake-ups`)
  // A thread that spins never goes to sleep: 1 % of a CPU is far more than waiting takes, and far less than spinning does.
  t.true(took.cpuUs < 50_000, `${took.cpuUs} µs`)
  log.append('come')
  t.deepEqual(await peer.message(), ['come', 'come', 'come', 'come'])
  t.deepEqual(await peer.exit, { code: 0, signal: null })
})

/** A long run of one writer, which is killed again and again, and eight readers. */
import { setTimeout as pause } from 'node:timers/promises'

import test, { type ExecutionContext } from 'ava'

import { Chronicle } from '../index.ts'
import { bases } from './helpers/files.ts'
import { Acknowledged } from './helpers/endurance.ts'
import { Peer } from './helpers/process.ts'
import { Random } from './helpers/random.ts'
import { nowhere, opened } from './helpers/temporary.ts'

const MESSAGES = 1_000_000
const KILLS = 50
const READERS = ['tail', 'tail', 'tail', 'cursor', 'cursor', 'cursor', 'poll', 'poll']

/**
 * Kills the writer at each of `moments`, which are counts of acknowledged messages. Its successor waits for the lock by then.
 * Returns the one that is left.
 */
async function killAgainAndAgain(t: ExecutionContext, dir: string, moments: number[]): Promise<Peer> {
  const acknowledged = new Acknowledged(dir, 'w+')
  const reaches = async (writer: Peer, count: number) => {
    while (acknowledged.count < count) {
      if (writer.child.exitCode !== null) throw new Error(`the writer has failed at ${acknowledged.count}`)
      await pause(1)
    }
  }
  let writer = new Peer(t, 'enduringWriter', dir, MESSAGES)
  for (const moment of moments) {
    await reaches(writer, acknowledged.count + 1)
    const successor = new Peer(t, 'enduringWriter', dir, MESSAGES)
    await reaches(writer, moment)
    await writer.kill()
    writer = successor
  }
  acknowledged.close()
  return writer
}

test('eight readers see each of a million messages once while the writer is killed fifty times', async (t) => {
  t.timeout(300_000)
  const random = new Random()
  t.log(`CHRONICLE_SEED=${random.seed} chooses these moments again`)
  const moments = Array.from({ length: KILLS }, () => random.below(MESSAGES * 0.9)).toSorted((a, b) => a - b)
  const dir = nowhere(t)
  Chronicle.open(dir, { segmentBytes: 1 << 20 }).close()
  const readers = READERS.map((way) => new Peer(t, `enduring ${way}`, dir, MESSAGES))
  const last = await killAgainAndAgain(t, dir, moments)
  t.deepEqual(await last.exit, { code: 0, signal: null })
  for (const reader of readers) t.deepEqual(await reader.message(), { read: MESSAGES })
  const log = opened(t, dir)
  t.is(log.nextSeq, MESSAGES)
  t.true(bases(dir).length > 100)
  t.is(log.stats().epoch, KILLS + 1)
})

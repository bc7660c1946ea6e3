/** Disks that fill up: an error and no signal, nothing acknowledged is lost, and appending goes on when there is room. */
import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

import test, { type ExecutionContext } from 'ava'

import { Chronicle } from '../index.ts'
import { appendPayloads, checkPayloads } from './helpers/contents.ts'
import { fillUp, mounted, whyNotMounted, type DiskKind } from './helpers/disk.ts'
import { sumOf } from './helpers/payloads.ts'
import { Peer } from './helpers/process.ts'
import { refuses } from './helpers/refusal.ts'
import { opened } from './helpers/temporary.ts'

const reasons = { tmpfs: whyNotMounted('tmpfs'), ext4: whyNotMounted('ext4') }

/** A test on a file system of its own; one that is skipped says why in its title. */
function onDisk(kind: DiskKind, title: string, body: (t: ExecutionContext, root: string) => unknown): void {
  const reason = reasons[kind]
  if (reason === undefined) test(`${kind}: ${title}`, (t) => body(t, mounted(t, kind)))
  else test.skip(`${kind}: ${title} (${reason})`, () => undefined)
}

/** Appends until the disk is full. Returns the seq behind the last message that `append` has returned for. */
function fill(t: ExecutionContext, log: Chronicle): number {
  const error = refuses(t, () => appendPayloads(log, log.nextSeq, Infinity), 'ERR_CHRONICLE_NO_SPACE')
  t.true(error.path?.startsWith(log.path))
  return log.nextSeq
}

for (const kind of ['tmpfs', 'ext4'] as const) {
  onDisk(
    kind,
    'a full disk refuses appends, loses nothing and is used again once there is room',
    async (t, root) => {
      const dir = join(root, 'log')
      const ballast = join(root, 'ballast')
      writeFileSync(ballast, Buffer.alloc(1 << 20), { flush: true })
      const log = opened(t, dir, { segmentBytes: 65_536 })
      const other = opened(t, dir, { readOnly: true })
      const end = fill(t, log)
      t.true(end > 1000, `${end}`)
      const large = Buffer.alloc(60_000)
      for (let count = 0; count < 3; count++) {
        refuses(t, () => log.append(large), 'ERR_CHRONICLE_NO_SPACE')
        refuses(t, () => log.appendBatch([large, large]), 'ERR_CHRONICLE_NO_SPACE')
        refuses(t, () => log.claim(large.length), 'ERR_CHRONICLE_NO_SPACE')
      }
      t.deepEqual([log.nextSeq, other.nextSeq], [end, end])
      t.is(checkPayloads(t, other), end)
      const reader = new Peer(t, 'tail', dir, 0, end + 500)
      await reader.message()
      t.is(await log.sync(), end)
      t.is(log.durableSeq, end)

      rmSync(ballast)
      appendPayloads(log, end, end + 500)
      t.deepEqual(await reader.message(), { sum: sumOf(0, end + 499) })
      t.is(checkPayloads(t, other), end + 500)
    },
  )

  onDisk(kind, 'a log on a full disk is opened, read and pruned, and then goes on', (t, root) => {
    const dir = join(root, 'log')
    const options = { segmentBytes: 65_536 }
    using log = Chronicle.open(dir, options)
    const end = fill(t, log)
    log.close()
    const again = opened(t, dir, options)
    again.acquire()
    t.is(checkPayloads(t, again), end)
    refuses(t, () => again.append(Buffer.alloc(60_000)), 'ERR_CHRONICLE_NO_SPACE')
    t.true(again.prune({ keepBytes: 1 << 20 }).segments > 10)
    const { firstSeq } = again
    appendPayloads(again, end, end + 2000)
    t.is(checkPayloads(t, again, firstSeq), end + 2000)
  })

  for (const sync of ['none', { everyMs: 1000 }] as const) {
    const name = typeof sync === 'string' ? sync : 'everyMs'
    onDisk(kind, `what the writer itself prunes is room at once, with sync ${name}`, (t, root) => {
      const log = opened(t, join(root, 'log'), { segmentBytes: 65_536, sync })
      const end = fill(t, log)
      t.true(log.prune({ keepBytes: 1 << 20 }).segments > 10)
      appendPayloads(log, end, end + 2000)
      t.is(checkPayloads(t, log, log.firstSeq), end + 2000)
    })
  }

  onDisk(kind, 'with retention a log outgrows its disk', async (t, root) => {
    const retention = { keepBytes: 1 << 20 }
    const log = opened(t, join(root, 'log'), { segmentBytes: 65_536, sync: { everyMs: 5 }, retention })
    while (log.nextSeq < 30_000) {
      try {
        appendPayloads(log, log.nextSeq, log.nextSeq + 500)
      } catch (error) {
        // Another thread prunes, and an appender may be faster than that.
        if ((error as { code?: string }).code !== 'ERR_CHRONICLE_NO_SPACE') throw error
      }
      await pause(1)
    }
    t.is(log.stats().pruneFailure, undefined)
    t.true(log.firstSeq > 15_000, `${log.firstSeq}`)
    t.is(checkPayloads(t, log, log.firstSeq), log.nextSeq)
  })

  onDisk(kind, 'a disk that is full from the start refuses to create and keeps nothing', (t, root) => {
    const before = readdirSync(root)
    const ballast = join(root, 'ballast')
    fillUp(ballast)
    const dir = join(root, 'log')
    refuses(t, () => Chronicle.open(dir), 'ERR_CHRONICLE_NO_SPACE')
    rmSync(ballast)
    rmSync(dir, { recursive: true, force: true })
    t.deepEqual(readdirSync(root), before)
    t.is(opened(t, dir).append('fits now'), 0)
  })
}

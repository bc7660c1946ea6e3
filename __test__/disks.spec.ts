/** Disks that fill up: mounted for the test, where the machine lets it. */
import { spawnSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import test, { type ExecutionContext } from 'ava'

import { Chronicle } from '../index.ts'
import { refuses } from './helpers/refusal.ts'
import { folder } from './helpers/temporary.ts'

/** A file system of 3 MiB, where the machine lets a test mount one. */
function small(t: ExecutionContext): string | undefined {
  const path = folder(t)
  const mounted =
    process.platform === 'linux' && spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', path])
  if (mounted === false || mounted.status !== 0) return undefined
  t.teardown(() => spawnSync('umount', [path]))
  return path
}

test('a full disk refuses the append, loses nothing, and appending goes on when there is room', (t) => {
  const path = small(t)
  if (path === undefined) {
    t.log('no file system can be mounted here')
    t.pass()
    return
  }
  const dir = join(path, 'log')
  const ballast = join(path, 'ballast')
  writeFileSync(ballast, Buffer.alloc(1 << 20))
  using log = Chronicle.open(dir)
  const payload = Buffer.alloc(1000, 'x')
  let last = -1
  const error = refuses(
    t,
    () => {
      for (;;) last = log.append(payload)
    },
    'ERR_CHRONICLE_NO_SPACE',
  )
  t.true(error.path?.startsWith(dir))
  refuses(t, () => log.append(payload), 'ERR_CHRONICLE_NO_SPACE')
  refuses(t, () => log.appendBatch([payload, payload]), 'ERR_CHRONICLE_NO_SPACE')
  t.is(log.nextSeq, last + 1)
  t.is([...log.read()].length, last + 1)
  t.true([...log.read()].every((message) => payload.equals(message.payload)))
  rmSync(ballast)
  // A segment of 2 MiB does not fit even now; one of 64 KiB does, after reopening with smaller ones.
  log.close()
  using again = Chronicle.open(dir, { segmentBytes: 65_536 })
  t.is(again.append(payload), last + 1)
  t.is([...again.read()].length, last + 2)
})

test('a disk that is full from the start refuses to create, by its own code', (t) => {
  const path = small(t)
  if (path === undefined) {
    t.log('no file system can be mounted here')
    t.pass()
    return
  }
  writeFileSync(join(path, 'ballast'), Buffer.alloc(2.9 * 2 ** 20))
  const dir = join(path, 'log')
  refuses(t, () => Chronicle.open(dir), 'ERR_CHRONICLE_NO_SPACE')
  rmSync(join(path, 'ballast'))
  using log = Chronicle.open(dir)
  t.is(log.append('fits now'), 0)
})

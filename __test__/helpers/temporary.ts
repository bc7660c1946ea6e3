import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import type { ExecutionContext } from 'ava'

import { Chronicle, type OpenOptions } from '../../index.ts'

/** A new empty directory that goes with the test. */
export function folder(t: ExecutionContext): string {
  const path = mkdtempSync(join(tmpdir(), 'chronicle-test-'))
  t.teardown(() => rmSync(path, { recursive: true, force: true }))
  return path
}

/** A path in a new directory that does not exist yet. */
export function nowhere(t: ExecutionContext): string {
  return join(folder(t), 'log')
}

/** A chronicle in a new directory; small segments unless the test says otherwise. */
export function fresh(t: ExecutionContext, options: OpenOptions = { segmentBytes: 65_536 }): Chronicle {
  return opened(t, nowhere(t), options)
}

/** A chronicle that is closed when the test ends. */
export function opened(t: ExecutionContext, dir: string, options?: OpenOptions): Chronicle {
  const log = Chronicle.open(dir, options)
  t.teardown(() => log.close())
  return log
}

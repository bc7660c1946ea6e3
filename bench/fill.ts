import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

import { makePayloads } from './payloads.ts'

/** Fills a log in `dir` with at least `bytes` of payload, in another process so that this one stays as it is. */
export async function fillLog(dir: string, bytes: number, size: number): Promise<void> {
  const args = [fileURLToPath(import.meta.url), dir, String(bytes), String(size)]
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
}

/** What that process does. */
async function fill(dir: string, bytes: number, size: number): Promise<void> {
  const { openLog } = await import('./peers/chronicle.ts')
  const log = openLog(dir)
  const payloads = makePayloads(size, Math.max(1, Math.floor((64 << 20) / size)))
  const part = Math.max(1, Math.floor((1 << 20) / size))
  for (let written = 0, at = 0; written < bytes; written += part * size, at += part) {
    log.appendBatch(payloads.slice(at % payloads.length, (at % payloads.length) + part))
  }
  log.close()
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [dir, bytes, size] = process.argv.slice(2)
  await fill(dir!, Number(bytes), Number(size))
}

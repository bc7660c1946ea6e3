import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

import { makePayloads } from './payloads.ts'

/** Fills a log in `dir` with at least `bytes` of payload, in another process so that this one stays as it is. */
export async function fillLog(
  dir: string,
  bytes: number,
  size: number,
  segmentBytes?: number,
): Promise<void> {
  const numbers = [bytes, size, ...(segmentBytes === undefined ? [] : [segmentBytes])].map(String)
  const args = [...process.execArgv, fileURLToPath(import.meta.url), dir, ...numbers]
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
}

/** What that process does. */
async function fill(dir: string, bytes: number, size: number, segmentBytes?: number): Promise<void> {
  const { openLog } = await import('./peers/chronicle.ts')
  const log = openLog(dir, { sync: 'none', segmentBytes })
  const most = segmentBytes === undefined ? 64 << 20 : 1 << 20
  const payloads = makePayloads(size, Math.max(1, Math.floor(Math.min(most, bytes) / size)))
  // One by one where segments are small: a batch has to fit into one.
  const part = segmentBytes === undefined ? Math.max(1, Math.floor((1 << 20) / size)) : 1
  for (let written = 0, at = 0; written < bytes; written += part * size, at += part) {
    const first = at % payloads.length
    log.appendBatch(payloads.slice(first, first + part))
  }
  log.close()
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [dir, ...numbers] = process.argv.slice(2)
  const [bytes, size, segmentBytes] = numbers.map(Number)
  await fill(dir!, bytes!, size!, segmentBytes)
}

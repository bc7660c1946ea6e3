// Reads payloads where they lie, and lets the garbage collector give the views back. `node --expose-gc views.mjs FOLDER`.
import { join } from 'node:path'
import { brotliCompress, brotliDecompressSync } from 'node:zlib'

import { Chronicle } from 'chronicle-log'

const log = Chronicle.open(join(process.argv[2] ?? '.', 'views'), { sync: 'none' })
for (let count = 0; count < 24; count++) log.append(Buffer.alloc(1 << 20, 'v'))

let buffers = new Set()
for (const { payload } of log.read({ payload: 'view' })) {
  if (payload[0] !== 118 || payload.at(-1) !== 118) throw new Error('a payload is wrong')
  buffers.add(payload.buffer)
}
console.log(`${[...buffers].every((buffer) => buffer.byteLength > 1 << 20)}`)

buffers = undefined
// Twice, because what the first collection finds dead is finalized behind it.
for (let times = 0; times < 2; times++) {
  if (globalThis.Bun === undefined) gc()
  else globalThis.Bun.gc(true)
  await new Promise((resolve) => setTimeout(resolve, 20))
}
for (const { payload } of log.read({ payload: 'view', from: -1 })) console.log(payload.length)
log.close()

// Another thread goes on reading a view that its cursor has left.
const parts = Chronicle.open(join(process.argv[2] ?? '.', 'parts'), { sync: 'none', segmentBytes: 1 << 20 })
for (let seq = 0; seq < 30; seq++) parts.append(Buffer.alloc(1_000_000, seq))
const cursor = parts.cursor({ payload: 'view' })
const jobs = []
while (cursor.next()) {
  const { payload } = cursor
  jobs.push(
    new Promise((resolve, reject) => {
      brotliCompress(payload, (error, bytes) => (error ? reject(error) : resolve(bytes)))
    }),
  )
}
cursor.close()
parts.close()
for (const [seq, bytes] of (await Promise.all(jobs)).entries()) {
  if (!brotliDecompressSync(bytes).equals(Buffer.alloc(1_000_000, seq)))
    throw new Error(`part ${seq} is wrong`)
}

// Reads payloads where they lie, and lets the garbage collector give the views back. `node --expose-gc views.mjs FOLDER`.
import { join } from 'node:path'

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

// A cursor gives its buffers back by itself.
for (let times = 0; times < 20; times++) {
  const cursor = log.cursor({ payload: 'view' })
  while (cursor.next()) if (cursor.payload[0] !== 118) throw new Error('a payload is wrong')
  cursor.close()
  await new Promise((resolve) => setTimeout(resolve, 1))
}
if (globalThis.Bun === undefined) gc()
log.close()

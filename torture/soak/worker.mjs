// A worker thread that is terminated in the middle of what it does.
import { parentPort, workerData } from 'node:worker_threads'

import { Chronicle } from '../../dist/index.mjs'

const { dir, task } = workerData
const log = Chronicle.open(dir, { sync: { everyMs: 1 } })
if (task === 'append') log.acquire({ wait: 5000 })
parentPort.postMessage('ready')
if (task === 'append') {
  for (;;) {
    for (let count = 0; count < 20; count++) log.append('from a worker'.repeat(count))
    await log.sync()
  }
}
if (task === 'read') for (;;) for (const message of log.read()) if (message.seq < 0) break
for await (const message of log.tail({ keepAlive: true })) if (message.seq < 0) break

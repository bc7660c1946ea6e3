// A worker that tells its parent what is appended to the log, up to the word that ends it.
import { parentPort, workerData } from 'node:worker_threads'

import { Chronicle } from 'chronicle-log'

const log = Chronicle.open(workerData.dir, { readOnly: true })
const tail = log.tail({ keepAlive: true })
parentPort.postMessage('following')
for await (const message of tail) {
  parentPort.postMessage(message.text())
  if (message.text() === workerData.until) break
}
log.close()

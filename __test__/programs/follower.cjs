// A worker that tells its parent what is appended to the log, up to the word that ends it.
const { parentPort, workerData } = require('node:worker_threads')

const { Chronicle } = require('chronicle-log')

async function follow() {
  const log = Chronicle.open(workerData.dir, { readOnly: true })
  const tail = log.tail({ keepAlive: true })
  parentPort.postMessage('following')
  for await (const message of tail) {
    parentPort.postMessage(message.text())
    if (message.text() === workerData.until) break
  }
  log.close()
}

void follow()

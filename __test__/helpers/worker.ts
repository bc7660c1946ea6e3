/** A worker thread: does the task in its `workerData`, and tells the parent when it is under way. */
import { parentPort, workerData } from 'node:worker_threads'

import { Chronicle, MessageHeader, MmapFile } from '../../index.ts'

const { task, dir } = workerData as { task: string; dir: string }

function say(message: unknown): void {
  parentPort?.postMessage(message)
}

const tasks: Record<string, () => void | Promise<void>> = {
  /** Uses every class once. */
  async everything() {
    const log = Chronicle.open(dir)
    log.append('from a worker')
    log.appendBatch(['a', 'b'])
    await log.sync()
    const texts = [...log.read()].map((message) => message.text())
    const cursor = log.cursor({ from: -1 })
    cursor.next()
    const tail = await log.tail({ from: 0 }).next()
    const header = MessageHeader.decode(new MessageHeader({ seq: 5 }).encode())
    const file = MmapFile.create(`${dir}.file`, 64)
    file.write(0, Buffer.from('x'))
    file.close()
    log.close()
    say({ texts, cursor: cursor.closed, tail: tail.value?.text(), header: header.seq })
  },

  /** Says what becomes of taking the lock. */
  acquire() {
    const log = Chronicle.open(dir)
    try {
      log.acquire()
      say('acquired')
    } catch (error) {
      say((error as { code: string }).code)
    }
    log.close()
  },

  /** Follows for ever. */
  async tail() {
    const log = Chronicle.open(dir)
    const tails = [log.tail({ keepAlive: true }), log.tail({ keepAlive: true, from: 'start' })]
    say('ready')
    await Promise.all(
      tails.map(async (tail) => {
        for await (const message of tail) say(message.seq)
      }),
    )
  },

  /** Blocks in a cursor for ever. */
  block() {
    const log = Chronicle.open(dir)
    const cursor = log.cursor({ from: 'end' })
    say('ready')
    while (cursor.next({ wait: 2 ** 31 - 1 })) say(cursor.seq)
  },

  /** Appends and flushes for ever. */
  async sync() {
    const log = Chronicle.open(dir, { sync: 'none' })
    log.acquire({ wait: 5000 })
    say('ready')
    for (;;) {
      for (let count = 0; count < 100; count++) log.append('x'.repeat(500))
      void log.sync()
      await log.sync()
    }
  },

  /** Reads in a loop for ever. */
  read() {
    const log = Chronicle.open(dir)
    say('ready')
    for (;;) for (const message of log.read()) if (message.seq < 0) break
  },
}

await tasks[task]!()

/** What a process does until the files that it has mapped are gone. */
import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises'

import { Chronicle, ChronicleError } from '../../index.ts'

type Way = (log: Chronicle, ready: () => void) => void | Promise<void>

/** Each goes on until it gets an error. */
export const ways = {
  /** Reads the whole log again and again, which maps one segment after the other. */
  read(log, ready) {
    for (;;) {
      for (const message of log.read()) if (message.seq === 550) ready()
    }
  },

  /** Stays in the first segment: its slab takes a quarter of that. */
  async cursor(log, ready) {
    const cursor = log.cursor()
    for (let seq = 0; seq < 10; seq++) cursor.next()
    ready()
    await new Promise((resolve) => process.once('message', resolve))
    while (cursor.next());
    throw new Error('the log ended as if there were no more')
  },

  async tail(log, ready) {
    const tail = log.tail({ keepAlive: true })
    ready()
    for await (const message of tail) if (message.seq < 0) break
  },

  /** Blocks. */
  block(log, ready) {
    const cursor = log.cursor({ from: 'end' })
    ready()
    while (cursor.next({ wait: 2 ** 31 - 1 }));
    throw new Error('nobody appended, and the wait is over')
  },

  async append(log, ready) {
    log.append('first')
    ready()
    for (;;) {
      for (let count = 0; count < 50; count++) log.append('x'.repeat(100))
      await nextTurn()
    }
  },

  async sync(log, ready) {
    for (;;) {
      log.append('x')
      await log.sync()
      ready()
    }
  },

  /** Waits for a flush by somebody else. */
  async durable(log, ready) {
    ready()
    await log.durable(2 ** 40)
  },

  async commit(log, ready) {
    const tail = log.tail({ name: 'billing' })
    ready()
    for (;;) {
      const { value } = await tail.next()
      tail.commit(value!.seq)
      await pause(5)
    }
  },
} satisfies Record<string, Way>

/** Goes a way to its error, and returns what that says. */
export async function untilError(dir: string, way: keyof typeof ways, ready: () => void): Promise<object> {
  const log = Chronicle.open(dir, { segmentBytes: 262_144, sync: 'none' })
  try {
    await ways[way](log, ready)
    return { ended: way }
  } catch (error) {
    if (!(error instanceof ChronicleError)) throw error
    return { code: error.code, path: error.path }
  } finally {
    log.close()
  }
}

import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'

import { ownMemory } from '../memory.ts'
import { median, timed } from '../measure.ts'
import { makePayloads } from '../payloads.ts'
import { openLog } from '../peers/chronicle.ts'
import { Gathered, countLabel, type Curve } from './curve.ts'

const COUNT = 100_000
const SIZE = 64

/** What a reader tells when it has read the log again, all others with it. */
export interface Told {
  cpu: number
  memory: number
}

/** Processes that read a log at once. */
export const curve: Curve = {
  title: `processes that read a log at once, messages of ${SIZE} B, processor time`,
  steps: [1, 2, 4, 8, 16],
  label: countLabel,
  async run(steps, dir) {
    const gathered = new Gathered()
    const payloads = makePayloads(SIZE, COUNT)
    for (const readers of steps) gathered.add(await measure(readers, payloads, `${dir}/${readers}`))
    return gathered.figures
  },
}

async function measure(
  readers: number,
  payloads: readonly Uint8Array[],
  dir: string,
): Promise<Record<string, number>> {
  const log = openLog(dir)
  log.acquire()
  const path = fileURLToPath(new URL(`../peers/follow${extname(import.meta.url)}`, import.meta.url))
  const ends = Array.from({ length: readers }, () => fork(path, [dir, String(payloads.length)]))
  try {
    await Promise.all(ends.map(answer))
    const append = await timed(payloads.length, () => {
      for (let index = 0; index < payloads.length; index++) log.append(payloads[index]!)
    })
    // They follow, and once all are at the end all read it again.
    await Promise.all(ends.map(answer))
    for (const end of ends) end.send('again')
    const told = (await Promise.all(ends.map(answer))) as Told[]
    return {
      'append, ns': append.cpu,
      'cursor, ns a message': median(told.map(({ cpu }) => cpu)),
      "writer's own memory, MiB": ownMemory(),
      "a reader's own memory, MiB": median(told.map(({ memory }) => memory)),
    }
  } finally {
    for (const end of ends) end.kill()
    log.close()
  }
}

/** The next message of a reader. */
async function answer(end: ChildProcess): Promise<unknown> {
  const exit = once(end, 'exit').then(() => {
    throw new Error('a reader ended early: wrong answer')
  })
  const [message] = (await Promise.race([once(end, 'message'), exit])) as [unknown]
  return message
}

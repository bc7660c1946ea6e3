import { copyFileSync } from 'node:fs'

import type { Message } from '../../index.ts'
import { ownMemory } from '../memory.ts'
import { median, timed } from '../measure.ts'
import { makePayloads } from '../payloads.ts'
import { openLog } from '../peers/chronicle.ts'
import { Gathered, countLabel, type Curve } from './curve.ts'
import { append, micros, questions } from './look.ts'

const [PASSES, COMMITS] = [5, 1000]
const MOVES = 100
const MADE = 20
const TAILS = 15

/** Named positions in a log. */
export const curve: Curve = {
  title: 'named positions in a log',
  steps: [1, 100, 1000, 10_000],
  label: countLabel,
  async run(steps, dir) {
    const gathered = new Gathered()
    const [payload] = makePayloads(64, 1)
    const log = openLog(dir)
    log.appendBatch(Array.from({ length: COMMITS }, () => payload!))
    let there = 0
    for (const [index, positions] of steps.entries()) {
      if (there === 0) log.setReader(name(there++), 0)
      for (; there < positions; there++) copyFileSync(file(dir, 0), file(dir, there))
      // Once for warming up.
      if (index === 0) await measure(log, dir, payload!)
      gathered.add(await measure(log, dir, payload!))
      if (log.readers().length !== positions) throw new Error('positions are missing: wrong answer')
    }
    log.close()
    return gathered.figures
  },
}

/** Made by copying, because making one of the log's own flushes it to the disk. */
function file(dir: string, index: number): string {
  return `${dir}/log/readers/${name(index)}`
}

function name(index: number): string {
  return `reader-${index}`
}

async function measure(
  log: ReturnType<typeof openLog>,
  dir: string,
  payload: Uint8Array,
): Promise<Record<string, number>> {
  const appended = await append(log, payload)
  const commits = []
  for (let pass = 0; pass < PASSES; pass++) commits.push(await commit(log))
  return {
    'commit, ns': median(commits),
    'move a position, µs': micros(MOVES, (index) => log.setReader(name(0), index)),
    'make and remove a position, µs': micros(MADE, () => {
      log.setReader('new', 0)
      log.removeReader('new')
    }),
    'open a tail by name, µs': await openTail(log),
    'append, ns': appended,
    'open for reading, µs': micros(TAILS, () => openLog(dir, { readOnly: true }).close()),
    ...questions(log),
    'memory of its own, MiB': ownMemory(),
  }
}

async function commit(log: ReturnType<typeof openLog>): Promise<number> {
  log.setReader(name(0), 0)
  const messages: Message[] = []
  for await (const message of log.tail({ name: name(0) })) {
    messages.push(message)
    if (messages.length === COMMITS) {
      const { ns } = await timed(COMMITS, () => messages.forEach((each) => each.commit()))
      return ns
    }
  }
  throw new Error('messages are missing: wrong answer')
}

async function openTail(log: ReturnType<typeof openLog>): Promise<number> {
  const times = []
  for (let time = 0; time < TAILS; time++) {
    const start = performance.now()
    const tail = log.tail({ name: name(0) })
    await tail.next()
    times.push((performance.now() - start) * 1000)
    await tail.return()
  }
  return median(times)
}

import type { Contender, Group, Job, Options, Outcome, Part } from '../measure.ts'
import { makePayloads } from '../payloads.ts'
import { buildCore, runCore } from '../peers/core.ts'
import { javaQueue, runQueue } from '../peers/queue.ts'
import { countOf, warm } from './append.ts'

function contender(name: string, kind: Contender['kind'], way: string, size: number): Contender {
  return { name, kind, job: { part: 'core', peer: 'core', way, size, count: countOf(size) } }
}

const FLOOR = 'memcpy and checksums, no log'

function append(size: number, rounds: number): Group {
  const line = 'Writer::append'
  // No more than twice, and 1.3 times, what the floor takes.
  const wanted = size <= 64 ? { must: 0.5, aim: 0.77 } : {}
  return {
    title: `core in Rust, append, ${size} B`,
    unit: 'ns a message',
    rounds: rounds + 1,
    contenders: [
      contender(line, 'ours', 'append', size),
      contender(FLOOR, 'extra', 'floor', size),
      javaQueue('append', size, 'core'),
    ],
    targets: [
      { what: line, line, against: FLOOR, ...wanted },
      { what: line, line, against: 'java', must: 2, aim: 4 },
    ],
  }
}

function read(size: number): Group {
  const line = 'Reader::poll'
  return {
    title: `core in Rust, read, ${size} B`,
    unit: 'ns a message',
    contenders: [contender(line, 'ours', 'poll', size), javaQueue('read', size, 'core')],
    targets: [{ what: line, line, against: 'java', must: 1.2, aim: 2 }],
  }
}

const groups = ({ sizes, rounds }: Options): Group[] =>
  (sizes ?? [64, 1024]).flatMap((size) => [append(size, rounds), read(size)])

async function run(job: Job, dir: string): Promise<Outcome> {
  const [size, count] = [Number(job['size']), Number(job['count'])]
  const way = String(job['way'])
  const java = job['peer'] === 'queue'
  if (!java) buildCore()
  if (way === 'append' || way === 'floor') warm(dir, size, count)
  if (java) return runQueue(way === 'read' ? 'read' : 'append', makePayloads(size, count), dir)
  return runCore(way, size, count, dir)
}

export const part: Part = { groups, run }

import type { Contender, Group, Job, Options, Outcome, Part } from '../measure.ts'
import { fillLog } from '../fill.ts'
import { residentMemory } from '../memory.ts'

const BYTES = 2 ** 30
const SIZE = 1024

const ways = ['cursor', 'for…of, payload touched'] as const

function groups(_options: Options): Group[] {
  return [
    {
      title: 'anonymous memory of a reader that walks 1 GiB, above bare Node.js',
      unit: 'MiB',
      rounds: 1,
      contenders: ways.map((way): Contender => ({ name: way, kind: 'ours', job: { part: 'memory', way } })),
      targets: ways.map((way) => ({ what: way, line: `${way}: most`, against: 'limit', must: 64, aim: 16 })),
    },
  ]
}

async function run(job: Job, dir: string): Promise<Outcome> {
  const bare = residentMemory().anonymous
  await fillLog(dir, BYTES, SIZE)
  const { openLog } = await import('../peers/chronicle.ts')
  const log = openLog(dir, { readOnly: true })
  let [most, bytes] = [0, 0]
  const look = (length: number) => {
    bytes += length
    if (bytes % (16 << 20) < length) most = Math.max(most, residentMemory().anonymous)
  }
  if (job['way'] === 'cursor') {
    const cursor = log.cursor()
    while (cursor.next()) look(cursor.length)
  } else {
    for (const { payload } of log.read()) look(payload.length)
  }
  if (bytes < BYTES) throw new Error(`read ${bytes} of ${BYTES} bytes: wrong answer`)
  log.close()
  return { values: { most: most - bare, 'at the end': residentMemory().anonymous - bare } }
}

export const part: Part = { groups, run }

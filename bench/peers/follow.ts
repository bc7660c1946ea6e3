/** A process that follows a log, and reads it again when told to. Arguments: the folder, and the number of messages. */
import { ownMemory } from '../memory.ts'
import { median, timed } from '../measure.ts'
import { openLog } from './chronicle.ts'

const [dir, count] = process.argv.slice(2) as [string, string]

const PASSES = 5
const log = openLog(dir, { create: false, sync: 'none' })

function read(wait: number): void {
  const cursor = log.cursor()
  for (let seq = 0; seq < Number(count); seq++) {
    while (!cursor.next({ wait }));
    if (cursor.seq !== seq) throw new Error('messages are missing: wrong answer')
  }
  cursor.close()
}

process.once('message', async () => {
  const passes = []
  for (let pass = 0; pass < PASSES; pass++) passes.push((await timed(Number(count), () => read(0))).cpu)
  const memory = ownMemory()
  log.close()
  process.send!({ cpu: median(passes), memory })
})

process.send!('ready', () => {
  read(1000)
  process.send!('read')
})

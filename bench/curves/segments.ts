import { fillLog } from '../fill.ts'
import { makePayloads } from '../payloads.ts'
import { openLog } from '../peers/chronicle.ts'
import { Gathered, countLabel, type Curve } from './curve.ts'
import { look, micros, warmUp } from './look.ts'

const SEGMENT_BYTES = 65_536
/** No segment has room for two. */
const SIZE = SEGMENT_BYTES / 2 + 1024
const ROLLS = 25
/** Few enough to stay within a segment mostly. */
const APPENDS = 50

/** Segment files of a log. */
export const curve: Curve = {
  title: 'segments of a log, one message of 33 KiB in each',
  steps: [1, 100, 1000, 10_000],
  more: [100_000],
  label: countLabel,
  async run(steps, dir) {
    const gathered = new Gathered()
    const payloads = makePayloads(SIZE, ROLLS)
    const [small] = makePayloads(16, 1)
    await warmUp(`${dir}/warm`)
    for (const [index, segments] of steps.entries()) {
      const missing = segments - (index === 0 ? 0 : count(dir))
      if (missing > 0) await fillLog(dir, missing * SIZE, SIZE, SEGMENT_BYTES)
      const found = await look(dir, small!, APPENDS)
      const log = openLog(dir)
      log.acquire()
      const roll = micros(ROLLS, (time) => log.append(payloads[time]!))
      log.close()
      gathered.add({ ...found, 'append that rolls, µs': roll })
    }
    return gathered.figures
  },
}

function count(dir: string): number {
  const log = openLog(dir, { readOnly: true })
  const { segments } = log.stats()
  log.close()
  return segments
}

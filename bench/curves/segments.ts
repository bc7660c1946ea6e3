import { setTimeout as pause } from 'node:timers/promises'

import { fillLog } from '../fill.ts'
import { makePayloads } from '../payloads.ts'
import { openLog } from '../peers/chronicle.ts'
import { Gathered, countLabel, type Curve } from './curve.ts'
import { LOOKS, look, micros, warmUp } from './look.ts'

const SEGMENT_BYTES = 65_536
/** No segment has room for two. */
const SIZE = SEGMENT_BYTES / 2 + 1024
const ROLLS = 25
/** Few enough to stay within a segment mostly. */
const APPENDS = 50
/** Five seconds behind a roll a handle keeps what the segment takes on the disk. */
const SETTLED_MS = 5_100

/** Segment files of a log. */
export const curve: Curve = {
  title: 'segments of a log, one message of 33 KiB in each',
  steps: [1, 100, 10_000],
  more: [100_000],
  label: countLabel,
  async run(steps, dir) {
    const gathered = new Gathered()
    const payloads = makePayloads(SIZE, ROLLS)
    const [small] = makePayloads(16, 1)
    await warmUp(`${dir}/warm`)
    const watchers = []
    for (const segments of steps) {
      const place = `${dir}/${segments}`
      await fillLog(place, segments * SIZE, SIZE, SEGMENT_BYTES)
      const found = await look(place, small!, APPENDS)
      const log = openLog(place)
      log.acquire()
      const roll = micros(ROLLS, (time) => log.append(payloads[time]!))
      log.close()
      gathered.add({ ...found, 'append that rolls, µs': roll })
      const watcher = openLog(place, { readOnly: true })
      watcher.stats()
      watchers.push(watcher)
    }
    await pause(SETTLED_MS)
    for (const watcher of watchers) {
      watcher.stats()
      gathered.add({ 'stats, five seconds later, µs': micros(LOOKS, () => watcher.stats()) })
      watcher.close()
    }
    return gathered.figures
  },
}

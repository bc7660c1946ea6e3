import { fillLog } from '../fill.ts'
import { makePayloads } from '../payloads.ts'
import { Gathered, bytesLabel, type Curve } from './curve.ts'
import { look, warmUp } from './look.ts'

const SIZE = 1024
const MIB = 2 ** 20

/** Bytes of a log. */
export const curve: Curve = {
  title: 'bytes of a log, messages of 1 KiB',
  steps: [MIB, 16 * MIB, 128 * MIB, 1024 * MIB],
  more: [10_240 * MIB],
  label: bytesLabel,
  async run(steps, dir) {
    const gathered = new Gathered()
    const [payload] = makePayloads(SIZE, 1)
    let filled = 0
    await warmUp(`${dir}/warm`)
    for (const bytes of steps) {
      await fillLog(dir, bytes - filled, SIZE)
      filled = bytes
      gathered.add(await look(dir, payload!))
    }
    return gathered.figures
  },
}

import { rmSync } from 'node:fs'

import { ownMemory } from '../memory.ts'
import { median, timed } from '../measure.ts'
import { makePayloads } from '../payloads.ts'
import { openLog } from '../peers/chronicle.ts'
import { Gathered, bytesLabel, type Curve } from './curve.ts'

const BYTES = 32 << 20
const MOST = 50_000
const PASSES = 4

/** Bytes of a payload. */
export const curve: Curve = {
  title: 'bytes of a payload',
  steps: [16, 256, 4096, 65_536, 1 << 20],
  label: bytesLabel,
  async run(steps, dir) {
    const gathered = new Gathered()
    for (const size of steps) {
      const payloads = makePayloads(size, Math.max(1, Math.min(MOST, Math.floor(BYTES / size))))
      gathered.add(await measure(payloads, `${dir}/${size}`))
      rmSync(`${dir}/${size}`, { recursive: true })
    }
    return gathered.figures
  },
}

/** By the KiB: a large payload takes longer than a small one in any case. */
async function measure(payloads: readonly Uint8Array[], dir: string): Promise<Record<string, number>> {
  const log = openLog(dir)
  const kib = (payloads.length * payloads[0]!.length) / 1024
  const append = await each(kib, () => {
    for (let index = 0; index < payloads.length; index++) log.append(payloads[index]!)
  })
  const wanted = PASSES * payloads.reduce((sum, payload) => sum + payload[0]! + payload.length, 0)
  const read = (payload: 'copy' | 'view') => () => {
    const cursor = log.cursor({ payload })
    let sum = 0
    while (cursor.next()) sum += cursor.payload[0]! + cursor.length
    cursor.close()
    if (sum !== wanted) throw new Error('the sums differ: wrong answer')
  }
  const copies = await each(PASSES * kib, read('copy'))
  const views = await each(PASSES * kib, read('view'))
  log.close()
  return {
    'append, ns a KiB': append,
    'cursor, ns a KiB': copies,
    'cursor with views, ns a KiB': views,
    'memory of its own but the payloads, MiB':
      ownMemory() - (payloads.length * payloads[0]!.length) / 2 ** 20,
  }
}

/** The first pass warms up. */
async function each(count: number, work: () => void): Promise<number> {
  const passes = []
  for (let pass = 0; pass < PASSES; pass++) passes.push((await timed(count, work)).ns)
  return median(passes.slice(1))
}

import type { ExecutionContext } from 'ava'

import { Chronicle, json } from '../../index.ts'
import { nowhere } from './temporary.ts'

/** A log of the numbers from 0 on. */
export function numbers(t: ExecutionContext, count = 0): Chronicle<number> {
  const log = Chronicle.open<number>(nowhere(t), { codec: json<number>() })
  t.teardown(() => log.close())
  if (count > 0) log.appendBatch(Array.from({ length: count }, (_, number) => number))
  return log
}

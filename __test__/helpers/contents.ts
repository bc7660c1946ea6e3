import type { ExecutionContext } from 'ava'

import type { Chronicle } from '../../index.ts'
import { payloadOf, typeOf } from './payloads.ts'

/** Appends messages `first` to below `end` as every test process does. */
export function appendPayloads(log: Chronicle, first: number, end: number): void {
  for (let seq = first; seq < end; seq++) {
    log.append(payloadOf(seq), { type: typeOf(seq), expectedSeq: seq })
  }
}

/** Expects the log to hold exactly the payloads of all test processes, in order, from `first` on. Returns the seq behind them. */
export function checkPayloads(t: ExecutionContext, log: Chronicle, first = 0): number {
  let seq = first
  for (const message of log.read({ from: first })) {
    if (message.seq !== seq || Buffer.compare(message.payload, payloadOf(seq)) !== 0) {
      t.fail(`message ${message.seq} at ${seq} is not what was appended`)
      break
    }
    seq++
  }
  return seq
}

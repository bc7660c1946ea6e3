// What the processes of the harnesses do to a log, in plain JavaScript like them.
import { openSync, writeSync } from 'node:fs'

import { textOf, typeOf } from './work.mjs'

/** Tells, in a file that outlives this process, what is done and what is under way, before the latter begins. */
export function teller(path) {
  const file = openSync(path, 'w')
  const words = new Float64Array(3)
  return (start, done, underWay) => {
    words[0] = start
    words[1] = done
    words[2] = underWay
    writeSync(file, words, 0, 24, 0)
  }
}

const sleeping = new Int32Array(new SharedArrayBuffer(4))

/** Makes the call that comes next, and returns its last seq. */
export function perform(log, { kind, size }, { seed, life }, seq) {
  const type = typeOf(seed, life, seq)
  const text = textOf(seed, life, seq)
  if (kind === 'batch') {
    const items = Array.from({ length: size }, (_, index) => ({
      payload: textOf(seed, life, seq + index),
      type: typeOf(seed, life, seq + index),
    }))
    return log.appendBatch(items).last
  }
  if (kind === 'text') return log.append(text, { type })
  const bytes = Buffer.from(text)
  if (kind === 'bytes') return log.append(bytes, { type })
  // Something that is given up first leaves nothing behind.
  if (seq % 5 === 0) {
    const given = log.claim(bytes.length * 2)
    given.write(Buffer.alloc(bytes.length * 2, 0xff))
    given.abort()
  }
  const claim = log.claim(bytes.length)
  const half = bytes.length >> 1
  claim.write(bytes.subarray(half), half)
  // Claims are open for long in real life too, so some kills find one.
  if (seq % 32 === 0) Atomics.wait(sleeping, 0, 0, 1)
  claim.write(bytes.subarray(0, half))
  return claim.publish({ type })
}

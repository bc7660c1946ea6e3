/** What other processes do as named readers. */
import { setTimeout as pause } from 'node:timers/promises'

import { Chronicle } from '../../index.ts'
import { Acknowledged } from './endurance.ts'
import { payloadOf, typeOf } from './payloads.ts'

/** Takes a name, commits the first message, says where it stands, and keeps the name until it is killed. */
export async function holdName(dir: string, name: string, say: (message: object) => void): Promise<never> {
  const log = Chronicle.open(dir)
  const tail = log.tail({ name, keepAlive: true })
  const { value } = await tail.next()
  value!.commit()
  say({ committed: tail.committed })
  for (;;) await pause(1000)
}

/**
 * Handles messages until it is killed: tells in a file how many, and only then commits. A message may be handled twice, and none is
 * left out. Fails when it starts anywhere but at the last message that was told of, or behind it.
 */
export async function handleForever(dir: string, name: string): Promise<void> {
  const handled = new Acknowledged(dir, 'r+')
  const log = Chronicle.open(dir)
  let expected = handled.count
  const tail = log.tail({ name, keepAlive: true })
  if (tail.committed !== expected && tail.committed !== expected - 1) {
    throw new Error(`committed ${tail.committed}, handled ${expected}`)
  }
  expected = tail.committed
  for await (const message of tail) {
    const { seq, type, payload } = message
    if (seq !== expected || type !== typeOf(seq) || Buffer.compare(payload, payloadOf(seq)) !== 0) {
      throw new Error(`read ${seq}, expected ${expected}`)
    }
    handled.count = seq + 1
    message.commit()
    expected++
  }
}

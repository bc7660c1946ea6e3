import type { Payload } from '../payloads.ts'

/** How many callers write at a time where each waits for its message to be durable. */
export const CALLERS = 64

/** `CALLERS` callers take payloads in turn, each the next one when its last is written. */
export async function byCallers(
  payloads: readonly Payload[],
  write: (payload: Payload) => Promise<unknown>,
): Promise<void> {
  let next = 0
  const caller = async () => {
    while (next < payloads.length) await write(payloads[next++]!)
  }
  await Promise.all(Array.from({ length: CALLERS }, caller))
}

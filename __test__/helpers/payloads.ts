import { createHash } from 'node:crypto'

/** The payload that every test process appends as number `seq`, so that any other one knows what it must read. */
export function payloadOf(seq: number): Uint8Array {
  const length = (seq * 7919) % 311
  const bytes = new Uint8Array(length)
  let state = (seq + 1) >>> 0
  for (let index = 0; index < length; index++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    bytes[index] = state >>> 24
  }
  return bytes
}

/** The type that goes with it. */
export function typeOf(seq: number): number {
  return (seq * 31) % 65_536
}

/** The sum over payloads in order, their lengths included. */
export class Sum {
  readonly #hash = createHash('sha256')

  add(payload: Uint8Array): void {
    this.#hash.update(`${payload.length}:`).update(payload)
  }

  get hex(): string {
    return this.#hash.digest('hex')
  }
}

/** The sum over the payloads `first` to `last`. */
export function sumOf(first: number, last: number): string {
  const sum = new Sum()
  for (let seq = first; seq <= last; seq++) sum.add(payloadOf(seq))
  return sum.hex
}

import { crc32 } from 'node:zlib'

/** What is appended: bytes, or the same as text. */
export type Payload = Uint8Array | string

/**
 * `count` distinct payloads of `size` printable bytes, the same in every process and in `java/QueueBench.java`: xorshift
 * words, six bits a character.
 */
export function makePayloads(size: number, count: number): Uint8Array[] {
  const block = Buffer.allocUnsafe(size * count)
  let state = 0x9e37_79b9
  for (let at = 0; at < block.length; at++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    block[at] = 0x30 + (state & 0x3f)
  }
  return Array.from(
    { length: count },
    (_, index) => new Uint8Array(block.buffer, block.byteOffset + index * size, size),
  )
}

/** The same payloads as flat one-byte strings. */
export function toTexts(payloads: readonly Uint8Array[]): string[] {
  return payloads.map((payload) =>
    Buffer.from(payload.buffer, payload.byteOffset, payload.length).toString('latin1'),
  )
}

/** lmdb's fast values are longer than their `length` says. */
function exact({ buffer, byteOffset, length }: Uint8Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, length)
}

/** A checksum over payloads in order, which are gathered first: a call for each would take longer than reading it. */
export class Sum {
  count = 0
  #value = 0
  #gathered = Buffer.allocUnsafe(1 << 20)
  #length = 0

  add(payload: Payload): void {
    this.count++
    // A character takes three bytes at most.
    const most = typeof payload === 'string' ? 3 * payload.length : payload.length
    if (most > this.#gathered.length - this.#length) this.#fold()
    if (most > this.#gathered.length) this.#gathered = Buffer.allocUnsafe(most)
    if (typeof payload === 'string') this.#length += this.#gathered.write(payload, this.#length)
    else {
      this.#gathered.set(exact(payload), this.#length)
      this.#length += payload.length
    }
  }

  get value(): number {
    this.#fold()
    return this.#value
  }

  #fold(): void {
    this.#value = crc32(this.#gathered.subarray(0, this.#length), this.#value)
    this.#length = 0
  }
}

/** Whether `read` hands out `passes` times `payloads`, in order. Throws where it does not. */
export async function verify(
  payloads: readonly Payload[],
  passes: number,
  read: (see: (payload: Payload) => void) => unknown,
): Promise<void> {
  const [wanted, found] = [new Sum(), new Sum()]
  for (let pass = 0; pass < passes; pass++) for (const payload of payloads) wanted.add(payload)
  await read((payload) => found.add(payload))
  if (found.count !== wanted.count || found.value !== wanted.value) {
    throw new Error(
      `read ${found.count} payloads (${found.value}) of ${wanted.count} (${wanted.value}): wrong answer`,
    )
  }
}

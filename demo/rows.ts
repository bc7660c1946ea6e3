import { createHash } from 'node:crypto'
import { closeSync, openSync, readSync } from 'node:fs'

/** Ends a row. Rows are bytes: nothing but this one is looked for, and everything else is kept as it is. */
export const NEWLINE = 0x0a

/** The longest row, in bytes: the longest message that a log takes. */
const MAX_ROW_BYTES = 2 ** 30
const CHUNK_BYTES = 256 << 10

/** The rows of a file, in order. The last one needs no newline. */
export function* readRows(path: string): Generator<Uint8Array, void> {
  const file = openSync(path, 'r')
  try {
    let held: Uint8Array[] = []
    for (;;) {
      // Memory of its own for each chunk, because rows are views of it.
      const buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES)
      const chunk = buffer.subarray(0, readSync(file, buffer))
      if (chunk.length === 0) break
      let start = 0
      for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
        const row = chunk.subarray(start, end)
        yield held.length === 0 ? row : Buffer.concat([...held, row])
        held = []
        start = end + 1
      }
      if (start < chunk.length) held.push(chunk.subarray(start))
    }
    if (held.length > 0) yield Buffer.concat(held)
  } finally {
    closeSync(file)
  }
}

/** A stream of rows without its first `count` rows. */
export async function* withoutRows(
  count: number,
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void> {
  let left = count
  for await (const chunk of chunks) {
    let start = 0
    while (left > 0) {
      const end = chunk.indexOf(NEWLINE, start)
      start = end < 0 ? chunk.length : end + 1
      if (end < 0) break
      left--
    }
    if (start < chunk.length) yield chunk.subarray(start)
  }
}

/**
 * Counts rows and sums them up: the SHA-256 of every row with a newline behind it, so that rows cannot flow into each other.
 * For a file that ends with a newline that is the SHA-256 of the file.
 */
export class RowSum {
  readonly #hash = createHash('sha256')
  #held: Uint8Array[] = []
  #heldBytes = 0
  #rows = 0

  /** How many whole rows there were. */
  get rows(): number {
    return this.#rows
  }

  /** Takes bytes as they come, wherever the chunks are cut; a row counts once its newline is there. */
  add(chunk: Uint8Array): void {
    let at = chunk.indexOf(NEWLINE)
    if (this.#heldBytes + (at < 0 ? chunk.length : at) > MAX_ROW_BYTES) {
      throw new RangeError(`row ${this.#rows + 1} is longer than 1 GiB`)
    }
    let end = 0
    for (; at >= 0; at = chunk.indexOf(NEWLINE, end)) {
      end = at + 1
      this.#rows++
    }
    if (end > 0) {
      for (const part of this.#held) this.#hash.update(part)
      this.#hash.update(chunk.subarray(0, end))
      this.drop()
    }
    if (end < chunk.length) {
      this.#held.push(chunk.subarray(end))
      this.#heldBytes += chunk.length - end
    }
  }

  /** Forgets the beginning of a row that was cut off. */
  drop(): void {
    this.#held = []
    this.#heldBytes = 0
  }

  /** Completes a last row that has no newline, and gives the sum. Nothing can be added afterwards. */
  end(): string {
    if (this.#heldBytes > 0) this.add(Uint8Array.of(NEWLINE))
    return this.#hash.digest('hex')
  }
}

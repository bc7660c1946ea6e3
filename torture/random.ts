/** Numbers that look random and come again for the same seed (mulberry32). */
export class Random {
  #state: number

  /** `parts` are mixed: a case of a run has numbers of its own, whatever cases were before. */
  constructor(...parts: readonly number[]) {
    this.#state = parts.reduce((state, part) => Math.imul(state ^ part, 0x9e3779b1) ^ (state >>> 15), 0x5eed)
    for (let count = 0; count < 4; count++) this.next()
  }

  /** A whole number below 2^32. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (mixed ^ (mixed >>> 14)) >>> 0
  }

  /** A whole number from 0 and below `limit`. */
  below(limit: number): number {
    return this.next() % limit
  }

  /** Whether something that has one chance in `count` happens. */
  oneIn(count: number): boolean {
    return this.below(count) === 0
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!
  }

  bytes(length: number): Buffer {
    return Buffer.from(Uint8Array.from({ length }, () => this.next() >>> 24))
  }
}

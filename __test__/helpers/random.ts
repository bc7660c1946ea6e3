import { randomInt } from 'node:crypto'

/** Numbers that look random and are the same for the same seed. */
export class Random {
  readonly seed: number
  #state: number

  /** Takes the seed from the environment variable CHRONICLE_SEED, to run again what failed; else a new one each time. */
  constructor(seed = Number(process.env['CHRONICLE_SEED'] ?? randomInt(2 ** 31))) {
    this.seed = seed
    this.#state = seed
  }

  /** A whole number from 0 to below `end`. */
  below(end: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * end)
  }
}

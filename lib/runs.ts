import type { NativeReader } from './native.ts'
import { ENTRY_WORDS, type Run } from './run.ts'

/** Bytes of the slab that a run is copied to, and messages in its table. A larger payload gets a slab of its own. */
const SLAB_BYTES = 64 << 10
const RUN_LENGTH = 1024

/** Makes a run over a table and the memory that its payloads lie in. */
export type NewRun = (table: Uint32Array, slab: Uint8Array) => Run

/** Where a reader's messages come from, a run at a time. */
export interface Runs {
  /** The run that was fetched last. */
  readonly run: Run
  /** Fetches the next messages into {@link run}, at most so many, and returns how many; 0 at the end. */
  fetch(most: number): number
  /** The first messages of the run, in memory that no later fetch touches. */
  keep(count: number): Run
}

/** Payloads are copied into memory that belongs to JavaScript. */
export class Copies implements Runs {
  run: Run
  readonly #poll: (slab: Uint8Array, table: Uint32Array) => number
  readonly #newRun: NewRun
  #reused: Run

  constructor(reader: NativeReader, backward: boolean, newRun: NewRun) {
    this.#poll = backward ? reader.pollBack() : reader.poll()
    this.#newRun = newRun
    this.#reused = newRun(new Uint32Array(RUN_LENGTH * ENTRY_WORDS), new Uint8Array(SLAB_BYTES))
    this.run = this.#reused
  }

  fetch(most: number): number {
    // A program may have transferred the memory of a cursor's payload to another thread.
    if (this.#reused.slab.length === 0)
      this.#reused = this.#newRun(this.#reused.table, new Uint8Array(SLAB_BYTES))
    const { table, slab } = this.#reused
    this.run = this.#reused
    const count = this.#poll(slab, atMost(table, most))
    if (count >= 0) return count
    const own = new Uint8Array(-count)
    this.run = this.#newRun(new Uint32Array(ENTRY_WORDS), own)
    return this.#poll(own, this.run.table)
  }

  keep(count: number): Run {
    const { run } = this
    if (run !== this.#reused) return run
    const last = (count - 1) * ENTRY_WORDS
    const bytes = run.table[last]! + run.table[last + 1]!
    const table = run.table.slice(0, count * ENTRY_WORDS)
    let { slab } = run
    if (bytes > SLAB_BYTES / 2) {
      // Giving a full slab away costs less than copying it, and zeroing what is behind the payloads less than all of the next one.
      const next = new Uint8Array(Buffer.allocUnsafeSlow(SLAB_BYTES).buffer)
      this.#reused = this.#newRun(run.table, next)
      slab.fill(0, bytes)
    } else slab = slab.slice(0, bytes)
    return this.#newRun(table, slab)
  }
}

/** Payloads stay where they lie, in mapped segments. */
export class Views implements Runs {
  run: Run
  readonly #calls: NonNullable<ReturnType<NativeReader['views']>>
  readonly #poll: (table: Uint32Array) => number
  readonly #newRun: NewRun

  constructor(calls: NonNullable<ReturnType<NativeReader['views']>>, backward: boolean, newRun: NewRun) {
    this.#calls = calls
    this.#poll = backward ? calls.pollBack : calls.poll
    this.#newRun = newRun
    this.run = newRun(new Uint32Array(RUN_LENGTH * ENTRY_WORDS), new Uint8Array())
  }

  fetch(most: number): number {
    const { table, slab } = this.run
    const count = this.#poll(atMost(table, most))
    // Of another segment, or a buffer that the program has transferred.
    if (count < 0 || (count > 0 && slab.length === 0)) {
      this.run = this.#newRun(table, new Uint8Array(this.#calls.buffer()))
    }
    return Math.abs(count)
  }

  keep(count: number): Run {
    return this.#newRun(this.run.table.slice(0, count * ENTRY_WORDS), this.run.slab)
  }
}

function atMost(table: Uint32Array, most: number): Uint32Array {
  return most < RUN_LENGTH ? table.subarray(0, most * ENTRY_WORDS) : table
}

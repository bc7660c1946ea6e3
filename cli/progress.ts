import type { WorkProgress } from '../index.ts'

import { bytes, many, rate, styleFor } from './style.ts'

/** The least time between two states of progress. */
const STEP_MS = 200

/** Tells on standard error how far long work is, where that is a terminal. */
export class Progress {
  readonly #start = performance.now()
  readonly #style = styleFor(process.stderr)
  readonly #shown = process.stderr.isTTY === true
  readonly #doing: string
  #next = this.#start + STEP_MS
  #messages = 0
  #bytes = 0

  /** `doing` stands before the figures, as in "appending". */
  constructor(doing: string) {
    this.#doing = doing
  }

  /** Counts a message. */
  add(bytes: number): void {
    this.#messages++
    this.#bytes += bytes
    // The clock is looked at now and then: it costs more than the sums.
    if (this.#shown && this.#messages % 256 === 0) this.#show()
  }

  /** Ends the line, and says what was done. */
  end(did: string, more = ''): void {
    if (this.#shown) process.stderr.write(`\r\u001B[K${did} ${this.#figures()}${more}\n`)
  }

  /** Takes the line away, for an error to stand there. */
  clear(): void {
    if (this.#shown) process.stderr.write('\r\u001B[K')
  }

  #show(): void {
    const now = performance.now()
    if (now < this.#next) return
    this.#next = now + STEP_MS
    process.stderr.write(`\r\u001B[K${this.#style.dim(`${this.#doing} ${this.#figures()}`)}`)
  }

  #figures(): string {
    const ms = performance.now() - this.#start
    const total = `${many(this.#messages, 'message')}, ${bytes(this.#bytes)}`
    return `${total} in ${(ms / 1000).toFixed(1)} s (${rate(this.#messages, ms)})`
  }
}

/** The width of a bar. */
const BAR = 30

/** Shows how much of long work is done, until the promise settles. `work` is given what to call, where there is a terminal. */
export async function measured<T>(
  doing: string,
  work: (onProgress: ((progress: WorkProgress) => void) | undefined) => Promise<T>,
): Promise<T> {
  if (process.stderr.isTTY !== true) return work(undefined)
  const style = styleFor(process.stderr)
  try {
    return await work((progress) => {
      process.stderr.write(`\r\u001B[K${style.dim(`${doing} ${bar(progress)}`)}`)
    })
  } finally {
    process.stderr.write('\r\u001B[K')
  }
}

function bar({ bytes: done, totalBytes }: WorkProgress): string {
  const part = totalBytes === 0 ? 0 : Math.min(1, done / totalBytes)
  const full = Math.floor(part * BAR)
  const percent = `${Math.floor(part * 100)} %`.padStart(6)
  return `[${'#'.repeat(full)}${'.'.repeat(BAR - full)}]${percent} of ${bytes(totalBytes)}`
}

/** Shows that work goes on whose progress is not known, until the promise settles. */
export async function waiting<T>(doing: string, work: Promise<T>): Promise<T> {
  if (process.stderr.isTTY !== true) return work
  const start = performance.now()
  const style = styleFor(process.stderr)
  const timer = setInterval(() => {
    const seconds = Math.round((performance.now() - start) / 1000)
    process.stderr.write(`\r\u001B[K${style.dim(`${doing}, ${seconds} s`)}`)
  }, 500)
  try {
    return await work
  } finally {
    clearInterval(timer)
    process.stderr.write('\r\u001B[K')
  }
}

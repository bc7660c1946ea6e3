import { Writable } from 'node:stream'

import { onAbort } from './abort.ts'
import { appendAll, type Appender } from './log.ts'
import { writePlan, type WritableOptions, type WritePlan } from './options.ts'

type Done = (error?: Error | null) => void

/**
 * A Node.js stream that appends each chunk as a message: made by {@link Chronicle.writable}. What is written while others are
 * appended or made durable becomes one batch. `write` returns false when `highWaterMark` chunks are held; then wait for `'drain'`, as a pipeline
 * does. The callback of a write, and `'finish'`, come when the message is visible, or durable with `durable`.
 *
 * An error destroys the stream. What is in the log then are all chunks up to some place in their order.
 *
 * @example
 * ```ts
 * import { createReadStream } from 'node:fs'
 * import { createInterface } from 'node:readline'
 * import { pipeline } from 'node:stream/promises'
 * import { Chronicle } from 'chronicle-log'
 *
 * using log = Chronicle.open('./lines')
 * await pipeline(createInterface({ input: createReadStream('lines.txt') }), log.writable({ durable: true }))
 * ```
 */
export class LogWritable<C> extends Writable {
  readonly #log: Appender<C>
  readonly #plan: WritePlan
  #forget = (): void => undefined

  /** @internal */
  constructor(log: Appender<C>, options?: WritableOptions) {
    const plan = writePlan(options, 'writable')
    super({ objectMode: true, highWaterMark: plan.highWaterMark })
    this.#log = log
    this.#plan = plan
    this.#forget = onAbort(plan.signal, (error) => this.destroy(error))
  }

  /** @internal */
  override _write(chunk: C, _encoding: string, callback: Done): void {
    this.#put([chunk], callback)
  }

  /** @internal */
  override _writev(chunks: { chunk: C }[], callback: Done): void {
    this.#put(
      chunks.map(({ chunk }) => chunk),
      callback,
    )
  }

  /** @internal */
  override _destroy(error: Error | null, callback: Done): void {
    this.#forget()
    callback(error)
  }

  #put(chunks: readonly C[], callback: Done): void {
    // On a tick of its own: what a listener throws is not a rejection of this promise.
    this.#append(chunks).then(
      () => process.nextTick(callback),
      (error: Error) => process.nextTick(callback, error),
    )
  }

  /** Resolves a turn later at the earliest: what is written meanwhile goes into one batch. */
  async #append(chunks: readonly C[]): Promise<void> {
    appendAll(this.#log, chunks, this.#plan.batch)
    if (this.#plan.durable) await this.#log.sync()
  }
}

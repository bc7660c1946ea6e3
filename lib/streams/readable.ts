import { Readable } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'

import { invalidValue } from '../errors.ts'
import { onAbort } from './abort.ts'
import { feed, type Feed, type Readings } from './log.ts'
import { readPlan, type ReadableOptions } from './options.ts'

/** How long a stream hands out messages that are there before other work of the event loop gets its turn. */
const TURN_MS = 5

/**
 * A Node.js stream of messages, or of their values: made by {@link Chronicle.readable}. It reads only as fast as messages are
 * taken. Destroying it, or the pipeline that it is in, ends reading; damage and an aborted signal destroy it with their error.
 *
 * @example
 * ```ts
 * import { createWriteStream } from 'node:fs'
 * import { pipeline } from 'node:stream/promises'
 * import { Chronicle } from 'chronicle-log'
 *
 * using log = Chronicle.open('./orders')
 * await pipeline(log.readable({ values: true }), createWriteStream('orders.bin'))
 * ```
 */
export class LogReadable<C> extends Readable {
  readonly #feed: Feed
  #forget = (): void => undefined
  #filling = false
  #turnEnds = performance.now() + TURN_MS

  /** @internal */
  constructor(log: Readings, options?: ReadableOptions) {
    const plan = readPlan(options, 'readable')
    super({ objectMode: true, highWaterMark: plan.highWaterMark })
    this.#feed = feed(log, plan)
    this.#forget = onAbort(plan.signal, (error) => this.destroy(error))
  }

  /** The chunks; leaving the loop destroys the stream. */
  override [Symbol.asyncIterator](): NodeJS.AsyncIterator<C> {
    return super[Symbol.asyncIterator]() as NodeJS.AsyncIterator<C>
  }

  /** @internal */
  override _read(): void {
    if (!this.#filling) void this.#fill()
  }

  /** @internal */
  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#forget()
    try {
      this.#feed.stop()
    } catch (stopError) {
      callback(error ?? (stopError as Error))
      return
    }
    callback(error)
  }

  /** Reads until nobody wants more. */
  async #fill(): Promise<void> {
    this.#filling = true
    try {
      while (!this.destroyed) {
        if (performance.now() >= this.#turnEnds) {
          await nextTurn()
          this.#turnEnds = performance.now() + TURN_MS
          continue
        }
        const next = this.#feed.next()
        const step = next instanceof Promise ? await next : next
        if (this.destroyed) return
        if (step.done !== true && step.value === null) throw endMark()
        if (!this.push(step.done === true ? null : step.value)) return
      }
    } catch (error) {
      this.destroy(error as Error)
    } finally {
      this.#filling = false
    }
  }
}

function endMark(): Error {
  return invalidValue(
    'a value is null, which ends a stream of Node.js: leave values out, and look at each message',
    {},
  )
}

import type { UnderlyingSink, UnderlyingSource } from 'node:stream/web'

import { onAbort } from './abort.ts'
import { appendAll, feed, type Appender, type Readings } from './log.ts'
import { readPlan, writePlan, type ReadableOptions, type WritableOptions } from './options.ts'

/** A stream of the web that reads a log. */
export function readableStream<C>(log: Readings, options?: ReadableOptions): ReadableStream<C> {
  const plan = readPlan(options, 'readableStream')
  const messages = feed(log, plan)
  let forget = (): void => undefined
  const end = (): void => {
    forget()
    messages.stop()
  }
  const source: UnderlyingSource<C> = {
    start(controller) {
      forget = onAbort(plan.signal, (error) => {
        controller.error(error)
        end()
      })
    },
    async pull(controller) {
      try {
        const { done, value } = await messages.next()
        if (plan.signal?.aborted === true) return
        if (done !== true) return controller.enqueue(value as C)
        controller.close()
      } catch (error) {
        end()
        throw error
      }
      end()
    },
    cancel: end,
  }
  return new ReadableStream(source, { highWaterMark: plan.highWaterMark })
}

/** A stream of the web that appends each chunk as a message. A write is done with when its message is visible, or durable. */
export function writableStream<C>(log: Appender<C>, options?: WritableOptions): WritableStream<C> {
  const plan = writePlan(options, 'writableStream')
  let forget = (): void => undefined
  const sink: UnderlyingSink<C> = {
    start(controller) {
      forget = onAbort(plan.signal, (error) => controller.error(error))
    },
    async write(chunk) {
      try {
        appendAll(log, [chunk], plan.batch)
        if (plan.durable) await log.sync()
      } catch (error) {
        forget()
        throw error
      }
    },
    close: () => forget(),
    abort: () => forget(),
  }
  return new WritableStream(sink, { highWaterMark: plan.highWaterMark })
}

import { setImmediate as nextTurn } from 'node:timers/promises'

import { checkSeq, type NativeFrom } from './checks.ts'
import { told, type OnCorruption } from './corruption.ts'
import { aborted, closed, invalidArgument } from './errors.ts'
import { Message } from './message.ts'
import { ENTRY_WORDS, type Run } from './run.ts'
import { Source, type Home } from './source.ts'
import type { Waiting } from './waiting.ts'

/** How long a tail hands out messages that are there before other work of the event loop gets its turn. */
const TURN_MS = 5

export interface TailRange {
  from?: NativeFrom | 'resume' | undefined
  name?: string | undefined
  newFrom?: NativeFrom | undefined
  durableOnly?: boolean | undefined
  payload?: 'copy' | 'view' | undefined
  onCorruption?: OnCorruption | undefined
  signal?: AbortSignal | undefined
  keepAlive?: boolean | undefined
}

function open(home: Home, range: TailRange): Source {
  const { from, name, newFrom, durableOnly = false, payload } = range
  const views = payload === 'view'
  const bounds = { onSkipped: told(range.onCorruption) }
  if (name === undefined) {
    if (from === 'resume') throw invalidArgument(`from must not be 'resume' without a name`)
    if (newFrom !== undefined) throw invalidArgument('newFrom needs a name')
    return new Source(home, home.reader(from ?? 'end', durableOnly), bounds, { kind: 'forward', views })
  }
  if (from !== undefined && from !== 'resume') {
    throw invalidArgument(`from must be 'resume' with a name: setReader() moves its position`)
  }
  return new Source(home, home.namedReader(name, newFrom ?? 'start', durableOnly), bounds, {
    kind: 'named',
    views,
  })
}

/**
 * Follows the log: yields messages as they are appended, by whatever process, until it is ended.
 *
 * It starts at the moment of {@link Chronicle.tail}, so a message that is appended before the iteration begins is not missed.
 * It goes on until the loop is left, `close()` is called, the signal is aborted or the chronicle is closed. While it waits it
 * uses no CPU, and does not keep the process alive unless `keepAlive` is set. Each message stays valid for as long as it is held.
 *
 * A tail with a name goes on where it {@link commit | committed}, in whatever process. Delivery is at least once: a message that
 * was handled and not committed when the process ended comes again.
 *
 * @example
 * ```ts
 * import { Chronicle } from 'chronicle-log'
 *
 * using log = Chronicle.open('./orders')
 * log.append('first')
 * for await (const message of log.tail({ from: 'start' })) {
 *   console.log(message.seq, message.text())
 *   break
 * }
 * ```
 */
export class Tail<M = Message> implements AsyncIterableIterator<M, undefined> {
  readonly #source: Source
  readonly #home: Home
  readonly #waiting: Waiting
  readonly #signal: AbortSignal | undefined
  readonly #keepAlive: boolean
  readonly #interrupt = () => this.#wakeUp()
  #wake: (() => void) | undefined
  #run: Run
  #at = 0
  #end = 0
  #closed = false
  #turnEnds = performance.now() + TURN_MS
  /** The call of `next()` that still waits: a further one comes after it. */
  #pending: Promise<unknown> | undefined

  /** @internal */
  constructor(home: Home, waiting: Waiting, range: TailRange) {
    this.#source = open(home, range)
    this.#home = home
    this.#waiting = waiting
    this.#signal = range.signal
    this.#keepAlive = range.keepAlive ?? false
    this.#run = this.#source.run
    this.#signal?.addEventListener('abort', this.#interrupt)
  }

  /** Whether the tail, or its chronicle, was closed. */
  get closed(): boolean {
    return this.#closed || this.#home.closed
  }

  /**
   * The seq that a tail of this name would start at now: one more than the last that was committed. `undefined` without a name.
   *
   * @throws {@link ChronicleError} `ERR_CHRONICLE_CLOSED`.
   */
  get committed(): number | undefined {
    return this.#source.committed
  }

  /** The position that was found, where it lay behind the end of the log, as a power cut may leave it, and was moved back to it. */
  get movedBackFrom(): number | undefined {
    return this.#source.movedBackFrom
  }

  /**
   * Says that all messages up to and with `seq` are handled: a tail of this name will not get them again. The position outlives
   * the process at once, and a power cut once the tail is closed. A seq below the last one committed changes nothing.
   *
   * @throws {@link ChronicleError} `ERR_CHRONICLE_INVALID_ARGUMENT` without a name and for a message that was not handed out yet,
   * `ERR_CHRONICLE_CLOSED`.
   */
  commit(seq: number): void {
    checkSeq(seq, 'seq')
    // The run that was fetched reaches further than what was handed out.
    const next = this.#at < this.#end ? this.#run.seq(this.#at) : Infinity
    if (seq >= next) throw invalidArgument(`message ${seq} was not handed out yet: the next one is ${next}`)
    this.#source.commit(seq)
  }

  /**
   * The next message, once there is one.
   *
   * @throws {@link ChronicleError} (as a rejection) for damaged files, an aborted signal, and when the chronicle is closed.
   */
  next(): Promise<IteratorResult<M, undefined>> {
    if (this.#pending === undefined) {
      const at = this.#at
      if (at < this.#end && !this.#home.closed && this.#signal?.aborted !== true) {
        this.#at = at + ENTRY_WORDS
        return Promise.resolve({ value: new Message(this.#run, at) as M, done: false })
      }
    }
    return this.#queue()
  }

  /** Ends the tail: `for await` does so when the loop is left. */
  return(): Promise<IteratorResult<M, undefined>> {
    this.close()
    return Promise.resolve({ value: undefined, done: true })
  }

  /** Ends the tail: a waiting `next()` resolves as done. A second call does nothing. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#at = 0
    this.#end = 0
    this.#signal?.removeEventListener('abort', this.#interrupt)
    this.#source.close()
    this.#wakeUp()
  }

  /** This tail. */
  [Symbol.asyncIterator](): this {
    return this
  }

  /** {@link close}, at the end of an `await using` block. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
  }

  /** {@link close}, at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.close()
  }

  #queue(): Promise<IteratorResult<M, undefined>> {
    const before = this.#pending
    const step =
      before === undefined
        ? this.#step()
        : before.then(
            () => this.#step(),
            () => this.#step(),
          )
    this.#pending = step
    const settled = () => {
      if (this.#pending === step) this.#pending = undefined
    }
    step.then(settled, settled)
    return step
  }

  async #step(): Promise<IteratorResult<M, undefined>> {
    try {
      while (this.#at >= this.#end) {
        if (this.#closed) return { value: undefined, done: true }
        this.#check()
        if (this.#fetch()) break
        // No message that is published from here on is slept through: the writer sees that somebody waits.
        this.#waiting.prepare()
        if (this.#fetch()) break
        await this.#sleep()
      }
      await this.#yield()
      this.#check()
    } catch (error) {
      this.close()
      throw error
    }
    if (this.#closed) return { value: undefined, done: true }
    const at = this.#at
    this.#at = at + ENTRY_WORDS
    return { value: new Message(this.#run, at) as M, done: false }
  }

  #check(): void {
    if (this.#signal?.aborted === true) throw aborted(this.#signal.reason)
    if (!this.#closed && this.#home.closed) throw closed('chronicle')
  }

  #fetch(): boolean {
    const count = this.#source.fetch()
    if (count === 0) return false
    this.#run = this.#source.keep(count)
    this.#at = 0
    this.#end = count * ENTRY_WORDS
    return true
  }

  async #sleep(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve
      this.#waiting.sleep(resolve, this.#keepAlive)
    })
    this.#wake = undefined
    this.#turnEnds = performance.now() + TURN_MS
  }

  #wakeUp(): void {
    if (this.#wake !== undefined) this.#waiting.wake(this.#wake)
  }

  /** Gives the event loop a turn when messages have come without a pause for some time. */
  async #yield(): Promise<void> {
    if (performance.now() < this.#turnEnds) return
    await nextTurn()
    this.#turnEnds = performance.now() + TURN_MS
  }
}

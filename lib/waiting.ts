import { native } from './errors.ts'
import type { NativeWaiter } from './native.ts'

/** Starts the native thread, which calls `notify` when there may be new messages. */
type Start = (notify: () => void, periodMs: number) => NativeWaiter

/** A timer that fires practically never, and keeps the process alive while it stands. */
const FOREVER_MS = 2 ** 31 - 1

/** The waiting thread looks again after this time by itself: what a writer costs that is killed before it has woken anybody. */
const PERIOD_MS = 1000

/** Those who sleep until a chronicle has new messages. One native thread, started by the first of them, wakes them all. */
export class Waiting {
  readonly #start: Start
  readonly #periodMs: number
  readonly #sleepers = new Map<() => void, NodeJS.Timeout | undefined>()
  #waiter: NativeWaiter | undefined

  constructor(start: Start, periodMs = PERIOD_MS) {
    this.#start = start
    this.#periodMs = periodMs
  }

  /** To be called before the last look for messages, which is followed by {@link sleep} in the same turn. */
  prepare(): void {
    this.#waiter ??= native(() => this.#start(() => this.wakeAll(), this.#periodMs))
    this.#waiter.prepare()
  }

  /** Calls `wake` once, when there may be messages. */
  sleep(wake: () => void, keepAlive: boolean): void {
    this.#sleepers.set(wake, keepAlive ? setInterval(() => undefined, FOREVER_MS) : undefined)
    this.#waiter?.arm()
  }

  /** Calls `wake` now, if it still sleeps. */
  wake(wake: () => void): void {
    if (!this.#sleepers.has(wake)) return
    clearInterval(this.#sleepers.get(wake))
    this.#sleepers.delete(wake)
    wake()
  }

  /** Wakes every sleeper, each to look for itself. */
  wakeAll(): void {
    for (const wake of this.#sleepers.keys()) this.wake(wake)
  }

  /** Ends the thread. */
  close(): void {
    const waiter = this.#waiter
    this.#waiter = undefined
    this.wakeAll()
    waiter?.close()
  }
}

import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const LOOK_EVERY_MS = 2
/** A kill comes up to this much later than its condition, so that it meets the process anywhere in its work. */
const KILL_JITTER_MS = 8

const running = new Set<Child>()

/** Resolves once the condition is true. */
export async function until(condition: () => boolean, signal: AbortSignal): Promise<void> {
  while (!condition()) await pause(LOOK_EVERY_MS, undefined, { signal })
}

/** Another process of the demo. Messages that it sends are handed to `heed`, what it writes to `take`. */
export class Child {
  /** How it ended, once everything that it wrote and sent has come. */
  readonly ended: Promise<string>
  readonly #process: ChildProcess
  readonly #name: string
  #end: string | undefined

  constructor(
    file: string,
    args: readonly (string | number)[],
    heed: (message: unknown) => void,
    signal: AbortSignal,
    take: (chunk: Buffer) => void = () => undefined,
  ) {
    // A run that is being ended kills its processes once: no other may start then.
    signal.throwIfAborted()
    this.#name = file.replace('.ts', '')
    const path = fileURLToPath(new URL(file, import.meta.url))
    this.#process = fork(path, args.map(String), { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
    this.#process.on('message', heed)
    this.#process.stdout?.on('data', take)
    running.add(this)
    this.ended = Promise.all([once(this.#process, 'close'), once(this.#process, 'disconnect')]).then(
      ([[code, killedBy]]) => this.#leave(String(killedBy ?? code)),
      (error) => this.#leave(String(error)),
    )
  }

  /** Resolves once the condition is true; rejects where the process ends before. */
  async until(condition: () => boolean, signal: AbortSignal): Promise<void> {
    await until(() => condition() || this.#end !== undefined, signal)
    if (!condition()) throw this.#unexpected()
  }

  /** Waits until the process has ended by itself and well. */
  async finish(): Promise<void> {
    if ((await this.ended) !== '0') throw this.#unexpected()
  }

  /** Kills it with SIGKILL at a random moment that is near; `aim` may wait for the last microseconds. */
  async killSoon(signal: AbortSignal, aim: () => void = () => undefined): Promise<void> {
    await pause(Math.random() * KILL_JITTER_MS, undefined, { signal })
    aim()
    this.#process.kill('SIGKILL')
    if ((await this.ended) !== 'SIGKILL') throw this.#unexpected()
  }

  #leave(end: string): string {
    running.delete(this)
    this.#end = end
    return end
  }

  #unexpected(): Error {
    return new Error(`the ${this.#name} ended unexpectedly (${this.#end})`)
  }

  /** Kills every process that still runs. */
  static async killAll(): Promise<void> {
    for (const child of running) child.#process.kill('SIGKILL')
    await Promise.all([...running].map((child) => child.ended))
  }
}

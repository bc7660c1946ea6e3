const watched = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** A signal that asks this process to end, once it has come. */
export class Signals {
  caught: NodeJS.Signals | undefined
  readonly #listener: (signal: NodeJS.Signals) => void

  /** Calls `stop` at the first signal instead of ending at once. */
  constructor(stop: () => void) {
    this.#listener = (signal) => {
      this.restore()
      this.caught = signal
      stop()
    }
    for (const signal of watched) process.on(signal, this.#listener)
  }

  /** From here on a signal ends the process, as it does without this. */
  restore(): void {
    for (const signal of watched) process.off(signal, this.#listener)
  }

  /** Ends the process by the signal that came, so that whoever started it sees why it ended. */
  pass(): void {
    this.restore()
    if (this.caught !== undefined) process.kill(process.pid, this.caught)
  }
}

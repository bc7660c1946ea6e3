const REFRESH_MS = 100
const LINE_MS = 2000

/** Tells how far the demo is: one line that is refreshed on a terminal, a line now and then elsewhere. */
export class Progress {
  readonly #stream: NodeJS.WriteStream
  readonly #refreshes: boolean
  readonly #timer: NodeJS.Timeout
  readonly #status: () => string
  #ended = false

  constructor(stream: NodeJS.WriteStream, status: () => string) {
    this.#stream = stream
    this.#status = status
    this.#refreshes = stream.isTTY === true && process.env['TERM'] !== 'dumb'
    this.#timer = setInterval(() => this.#show(), this.#refreshes ? REFRESH_MS : LINE_MS)
  }

  /** Writes a line that stays. */
  note(text: string): void {
    this.#clear()
    this.#stream.write(`${text}\n`)
    if (this.#refreshes) this.#show()
  }

  /** Takes the refreshed line away. A second call does nothing. */
  end(): void {
    if (this.#ended) return
    this.#ended = true
    clearInterval(this.#timer)
    this.#clear()
  }

  #show(): void {
    const status = this.#status()
    // A line that wraps could not be taken back. A terminal of unknown width has no columns.
    const width = (this.#stream.columns || 80) - 1
    if (this.#refreshes) this.#stream.write(`\r\x1b[K${status.slice(0, width)}`)
    else this.#stream.write(`${status}\n`)
  }

  #clear(): void {
    if (this.#refreshes) this.#stream.write('\r\x1b[K')
  }
}

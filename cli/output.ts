import type { Writable } from 'node:stream'

import { styleFor, type Style } from './style.ts'

/** How much is put together before it is written. */
const CHUNK_BYTES = 64 << 10

/** Nobody reads what is written any more: the command ends, and that is no failure. */
export class ClosedPipe extends Error {}

/**
 * Standard output. What is added is gathered and goes out in large pieces; whoever adds a lot awaits {@link flush}
 * when told to, so no more than a piece is ever held in memory.
 */
export class Output {
  readonly style: Style
  readonly terminal: boolean
  readonly #stream: Writable
  #text = ''
  #pieces: Uint8Array[] = []
  #size = 0

  constructor(stream: Writable & { isTTY?: boolean }) {
    this.style = styleFor(stream)
    this.terminal = stream.isTTY === true
    this.#stream = stream
    // Each write learns of its own failure; without a listener the same failure would end the process.
    stream.on('error', () => undefined)
  }

  /** Adds text. Returns whether it is time to flush. */
  text(text: string): boolean {
    this.#text += text
    return this.#full
  }

  /** Adds bytes, which must stay as they are until the next flush. Returns whether it is time for it. */
  bytes(bytes: Uint8Array): boolean {
    this.#settle()
    this.#pieces.push(bytes)
    this.#size += bytes.length
    return this.#full
  }

  /** Writes what was added, and waits until the stream has taken it. */
  async flush(): Promise<void> {
    this.#settle()
    if (this.#size === 0) return
    const piece = this.#pieces.length === 1 ? this.#pieces[0] : Buffer.concat(this.#pieces)
    this.#pieces = []
    this.#size = 0
    await new Promise<void>((resolve, reject) => {
      this.#stream.write(piece, (error) => (error ? reject(asClosed(error)) : resolve()))
    })
  }

  get #full(): boolean {
    return this.#size + this.#text.length >= CHUNK_BYTES
  }

  #settle(): void {
    if (this.#text === '') return
    const piece = Buffer.from(this.#text)
    this.#text = ''
    this.#pieces.push(piece)
    this.#size += piece.length
  }
}

function asClosed(error: Error): Error {
  const code = 'code' in error ? error.code : undefined
  const gone = code === 'EPIPE' || code === 'EOF' || code === 'ERR_STREAM_DESTROYED' || code === 'ECONNRESET'
  return gone ? new ClosedPipe() : error
}

import { unshared } from './bytes.ts'
import { checkCount } from './checks.ts'
import { closed, native } from './errors.ts'
import type { NativeWriter } from './native.ts'
import type { PublishOptions } from './options.ts'
import { check } from './tables.ts'

/**
 * A message that is filled in place: its payload lies in the log's own memory, so a large one never has to be whole in the
 * program's. Nobody sees it before {@link publish}; aborted, or left behind by a process that ends, it leaves no trace.
 *
 * While a claim is open, everything else that this handle appends is refused with `ERR_CHRONICLE_INVALID_ARGUMENT`.
 *
 * @example
 * ```ts
 * import { Chronicle } from 'chronicle-log'
 *
 * using log = Chronicle.open('./orders')
 * using claim = log.claim(10)
 * claim.write(Buffer.from('hello'))
 * claim.write(Buffer.from('world'), 5)
 * const seq = claim.publish({ type: 1 })
 * ```
 */
export class Claim {
  /** Payload bytes that were claimed. */
  readonly length: number
  readonly #home: { readonly closed: boolean }
  readonly #native: NativeWriter
  #closed = false

  /** @internal */
  constructor(home: { readonly closed: boolean }, writer: NativeWriter, length: unknown) {
    this.length = checkCount(length, 'length')
    this.#home = home
    this.#native = writer
    native(() => writer.openClaim(this.length))
  }

  /** Whether the claim was published or aborted; closing the chronicle aborts it. */
  get closed(): boolean {
    return this.#closed || this.#home.closed
  }

  /**
   * Copies `bytes` into the payload at `offset` (default 0). What is never written stays zero.
   *
   * @throws {@link ChronicleError} `ERR_CHRONICLE_OUT_OF_BOUNDS` when they are not all inside, `ERR_CHRONICLE_CLOSED`.
   */
  write(bytes: Uint8Array, offset = 0): void {
    this.#check()
    checkCount(offset, 'offset')
    const given = unshared(bytes)
    native(() => this.#native.fillClaim(offset, given))
  }

  /**
   * Publishes the message and returns its seq.
   *
   * @throws {@link ChronicleError} as {@link Chronicle.append}, `ERR_CHRONICLE_CLOSED`.
   */
  publish(options?: PublishOptions): number {
    const { type = 0 } = check('publish', options)
    this.#check()
    const seq = native(() => this.#native.publishClaim(type))
    this.#closed = true
    return seq
  }

  /** Gives the space back, where it was not published. A second call does nothing. */
  abort(): void {
    if (this.closed) return
    this.#closed = true
    native(() => this.#native.abortClaim())
  }

  /** {@link abort}, at the end of a `using` block: a published claim stays published. */
  [Symbol.dispose](): void {
    this.abort()
  }

  #check(): void {
    if (this.closed) throw closed('claim')
  }
}

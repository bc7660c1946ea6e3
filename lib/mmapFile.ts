import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

import { unshared } from './bytes.ts'
import { checkCount, checkPath } from './checks.ts'
import { native } from './errors.ts'
import { NativeMmapFile } from './native.ts'

/**
 * A memory-mapped file of fixed length that this handle owns alone, as plain bytes. They are copied in and out, so nothing
 * that JavaScript holds can reach the file later.
 *
 * @example
 * ```ts
 * import { MmapFile } from 'chronicle-log'
 *
 * using file = MmapFile.create('./scratch.bin', 4096)
 * file.write(8, Buffer.from('hello'))
 * file.flushRange(8, 5)
 * console.log(Buffer.from(file.slice(8, 13)).toString())
 * ```
 */
export class MmapFile {
  /** The absolute path of the file. */
  readonly path: string
  /** Bytes of the file. */
  readonly length: number
  readonly #native: NativeMmapFile
  #closed = false

  private constructor(path: string, opened: NativeMmapFile) {
    this.path = path
    this.#native = opened
    this.length = opened.length()
  }

  /**
   * Creates a file of `length` zero bytes (at least 1), really allocated, with mode 0600.
   *
   * @throws {@link ChronicleError} `ERR_CHRONICLE_INVALID_ARGUMENT` also when the file exists, `ERR_CHRONICLE_NO_SPACE`,
   * `ERR_CHRONICLE_PERMISSION`, `ERR_CHRONICLE_NOT_FOUND` for a missing directory.
   */
  static create(path: string | URL, length: number): MmapFile {
    const where = locate(path)
    checkCount(length, 'length')
    return native(() => new MmapFile(where, NativeMmapFile.create(where, length)))
  }

  /**
   * Opens a whole existing file.
   *
   * @throws {@link ChronicleError} `ERR_CHRONICLE_NOT_FOUND`, `ERR_CHRONICLE_NOT_A_FILE`, `ERR_CHRONICLE_EMPTY_FILE`,
   * `ERR_CHRONICLE_LOCKED` when another handle owns it, `ERR_CHRONICLE_PERMISSION`.
   */
  static open(path: string | URL): MmapFile {
    const where = locate(path)
    return native(() => new MmapFile(where, NativeMmapFile.open(where)))
  }

  /** Whether {@link close} was called. */
  get closed(): boolean {
    return this.#closed
  }

  /**
   * A copy of the bytes from `offset` (default: `0`) up to `end` (default: the length of the file).
   *
   * @throws {@link ChronicleError} `ERR_CHRONICLE_OUT_OF_BOUNDS` when they are not all inside; `ERR_CHRONICLE_TRUNCATED` when another program has
   * truncated the file, and `ERR_CHRONICLE_IO` when the disk has lost a page of it.
   */
  slice(offset = 0, end = this.length): Uint8Array {
    checkCount(offset, 'offset')
    checkCount(end, 'end')
    return native(() => this.#native.read(offset, Math.max(0, end - offset)))
  }

  /**
   * Copies `bytes` into the file, beginning at `offset`.
   *
   * @throws {@link ChronicleError} `ERR_CHRONICLE_OUT_OF_BOUNDS` when they do not all fit; nothing is written then.
   * `ERR_CHRONICLE_TRUNCATED` and `ERR_CHRONICLE_IO` as {@link slice}.
   */
  write(offset: number, bytes: Uint8Array): void {
    checkCount(offset, 'offset')
    const given = unshared(bytes)
    native(() => this.#native.write(offset, given))
  }

  /** Waits until the whole file is on the disk. Blocks this thread. */
  flush(): void {
    native(() => this.#native.flush())
  }

  /**
   * Waits until the pages that hold `length` bytes at `offset` are on the disk. Blocks this thread.
   *
   * @throws {@link ChronicleError} `ERR_CHRONICLE_OUT_OF_BOUNDS` when they are not all inside.
   */
  flushRange(offset: number, length: number): void {
    checkCount(offset, 'offset')
    checkCount(length, 'length')
    native(() => this.#native.flushRange(offset, length))
  }

  /** Unmaps the file. A second call does nothing. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    native(() => this.#native.close())
  }

  /** {@link close}, at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.close()
  }
}

function locate(path: unknown): string {
  const given = checkPath(path, 'path')
  return resolve(given instanceof URL ? fileURLToPath(given) : given)
}

import { isUint8Array } from 'node:util/types'

import { invalidArgument } from './errors.ts'

/** Bytes that native code may look at: a copy where other threads could write to them meanwhile. */
export function unshared(bytes: unknown, name = 'bytes'): Uint8Array {
  if (!isUint8Array(bytes)) throw invalidArgument(`${name} must be a Uint8Array`)
  return bytes.buffer instanceof SharedArrayBuffer ? new Uint8Array(bytes) : bytes
}

import { lstatSync, readFileSync } from 'node:fs'

import { crc32 } from './crc.ts'
import { Refusal, check } from './refusal.ts'

export const VERSION = 1

/** The kinds of files: their magic, the length of what must be there, and where the checksum stands that covers all before it. */
export const kinds = {
  control: { magic: 'CHRONCTL', length: 4096, checksumAt: 60 },
  segment: { magic: 'CHRONSEG', length: 4096, checksumAt: 4092 },
  index: { magic: 'CHRONIDX', length: 64, checksumAt: 60 },
  position: { magic: 'CHRONPOS', length: 4096, checksumAt: 60 },
} as const

/** What every file begins with. */
export interface Preamble {
  readonly id: string
  /** Whether a file of these features may be written to. */
  readonly writable: boolean
}

/** The bytes of a regular file. */
export function readRegular(path: string): Buffer {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (stat === undefined) throw new Refusal('NOT_FOUND', 'no such file', { path })
  check(stat.isFile(), 'NOT_A_FILE', 'not a regular file', { path })
  return readFileSync(path)
}

/** Checks magic, version, checksum and features, in this order. */
export function readPreamble(file: Buffer, path: string, kind: keyof typeof kinds): Preamble {
  const { magic, length, checksumAt } = kinds[kind]
  check(file.length > 0, 'EMPTY_FILE', 'no bytes', { path, offset: 0 })
  check(file.length >= length, 'TRUNCATED', 'too short for its header', { path, offset: file.length })
  check(file.toString('latin1', 0, 8) === magic, 'BAD_MAGIC', `not ${magic}`, { path, offset: 0 })
  check(file.readUInt32LE(8) === VERSION, 'UNSUPPORTED_VERSION', 'another version', { path, offset: 8 })
  const sum = crc32(file.subarray(0, checksumAt))
  check(sum === file.readUInt32LE(checksumAt), 'CORRUPT', 'header checksum', { path, offset: checksumAt })
  check(file.readUInt32LE(12) === 0, 'UNSUPPORTED_FEATURE', 'incompatible feature', { path, offset: 12 })
  return { id: file.toString('hex', 24, 40), writable: file.readUInt32LE(16) === 0 }
}

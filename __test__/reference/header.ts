import { crc32 } from './crc.ts'
import { check, type Where } from './refusal.ts'

export const HEADER_BYTES = 64
export const MAX_LENGTH = 2 ** 30
export const MAX_SEQ = 2n ** 53n

const VALID = 1
const END = 2

/** A published message header. */
export interface Header {
  readonly seq: number
  readonly timestampNs: bigint
  readonly length: number
  readonly checksum: number
  readonly type: number
  readonly end: boolean
  readonly batchRemaining: number
  readonly epoch: number
}

/** The header at the start of `bytes`, or nothing where none is published. */
export function readHeader(bytes: Buffer, where: Where): Header | undefined {
  const flags = bytes[26]!
  if ((flags & VALID) === 0) {
    check(bytes.readUInt32LE(24) === 0, 'CORRUPT', 'commit word without VALID', where)
    return undefined
  }
  const covered = Buffer.from(bytes.subarray(0, 60))
  covered[26] = flags & ~VALID
  check(crc32(covered) === bytes.readUInt32LE(60), 'CORRUPT', 'header checksum', where)
  check((flags & ~(VALID | END)) === 0, 'UNSUPPORTED_FEATURE', 'unknown flag', where)
  const reserved = bytes[27] === 0 && bytes.subarray(36, 60).every((byte) => byte === 0)
  check(reserved, 'UNSUPPORTED_FEATURE', 'reserved byte', where)
  const length = bytes.readUInt32LE(16)
  check(length <= MAX_LENGTH, 'OUT_OF_BOUNDS', 'length', where)
  const seq = bytes.readBigUInt64LE(0)
  check(seq <= MAX_SEQ, 'OUT_OF_BOUNDS', 'seq', where)
  return {
    seq: Number(seq),
    timestampNs: bytes.readBigUInt64LE(8),
    length,
    checksum: bytes.readUInt32LE(20),
    type: bytes.readUInt16LE(24),
    end: (flags & END) !== 0,
    batchRemaining: bytes.readUInt32LE(28),
    epoch: bytes.readUInt32LE(32),
  }
}

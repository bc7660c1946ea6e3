import { join } from 'node:path'

import { crc32 } from './crc.ts'
import { HEADER_BYTES, readHeader, type Header } from './header.ts'
import { readPreamble, readRegular } from './preamble.ts'
import { check } from './refusal.ts'

export const FIRST_RECORD = 4096
const MAX_SEGMENT = 2 ** 32

/** An offset in a segment, and what a record there must have. */
export interface Place {
  readonly path: string
  readonly offset: number
  readonly seq: number
  readonly epoch: number
  readonly timestampNs: bigint
}

/** A message with its payload, and where it stands. */
export interface Message extends Header {
  readonly path: string
  readonly offset: number
  readonly payload: Buffer
}

export interface Segment {
  readonly path: string
  readonly file: Buffer
  readonly first: Place
}

/** The name of the segment that starts at `seq`. */
export function segmentPath(dir: string, seq: number): string {
  return join(dir, `${String(seq).padStart(20, '0')}.seg`)
}

/** Opens the segment of this name with every check of its header. */
export function openSegment(dir: string, base: number, id: string): Segment {
  const path = segmentPath(dir, base)
  const file = readRegular(path)
  const preamble = readPreamble(file, path, 'segment')
  check(preamble.id === id, 'CORRUPT', 'a segment of another chronicle', { path, offset: 24 })
  check(file.readBigUInt64LE(40) === BigInt(base), 'CORRUPT', 'base_seq is not the name', {
    path,
    offset: 40,
  })
  const size = file.readBigUInt64LE(48)
  check(size <= MAX_SEGMENT && size % 4096n === 0n, 'OUT_OF_BOUNDS', 'size', { path, offset: 48 })
  check(size <= file.length, 'TRUNCATED', 'shorter than its size', { path, offset: file.length })
  check(size === BigInt(file.length), 'CORRUPT', 'longer than its size', { path, offset: Number(size) })
  const reserved = file.subarray(76, 4092).every((byte) => byte === 0)
  check(reserved, 'UNSUPPORTED_FEATURE', 'reserved byte', { path, offset: 76 })
  const [timestampNs, epoch] = [file.readBigUInt64LE(64), file.readUInt32LE(72)]
  return { path, file, first: { path, offset: FIRST_RECORD, seq: base, epoch, timestampNs } }
}

/** The messages from the first place on. Returns the place of END, or of the head of the log. */
export function* walkSegment(segment: Segment): Generator<Message, { place: Place; end: boolean }> {
  let place = segment.first
  for (;;) {
    const record = readRecord(segment, place)
    if (record === undefined) return { place, end: false }
    if (record.end) return { place, end: true }
    yield record
    place = {
      path: segment.path,
      offset: record.offset + recordBytes(record.length),
      seq: record.seq + 1,
      epoch: record.epoch,
      timestampNs: record.timestampNs,
    }
  }
}

/** What a record with so long a payload takes. */
export function recordBytes(length: number): number {
  return Math.ceil((HEADER_BYTES + length) / 64) * 64
}

/** The record at a place, with every check, or nothing where none is published. */
function readRecord({ path, file }: Segment, place: Place): Message | undefined {
  const { offset, seq } = place
  const where = { path, offset, seq }
  check(offset + HEADER_BYTES <= file.length, 'OUT_OF_BOUNDS', 'no room for a header', where)
  const header = readHeader(file.subarray(offset, offset + HEADER_BYTES), where)
  if (header === undefined) return undefined
  check(header.seq === seq, 'CORRUPT', `seq is ${header.seq}`, where)
  check(header.epoch >= place.epoch, 'CORRUPT', 'epoch falls', where)
  check(header.timestampNs >= place.timestampNs, 'CORRUPT', 'time falls', where)
  const { length, end } = header
  if (end) {
    check(length === 0 && header.batchRemaining === 0, 'CORRUPT', 'END with a length or a batch', where)
    return { ...header, path, offset, payload: Buffer.alloc(0) }
  }
  const next = offset + recordBytes(length)
  check(next + HEADER_BYTES <= file.length, 'OUT_OF_BOUNDS', 'longer than the segment', where)
  const payload = file.subarray(offset + HEADER_BYTES, offset + HEADER_BYTES + length)
  check(crc32(payload) === header.checksum, 'CORRUPT', 'payload checksum', where)
  return { ...header, path, offset, payload }
}

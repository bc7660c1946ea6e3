import { join } from 'node:path'

import { crc32 } from './crc.ts'
import { readPreamble, readRegular } from './preamble.ts'
import { check } from './refusal.ts'
import { recordBytes, type Message } from './segment.ts'

const ENTRY_BYTES = 32
const SPACING = 65_536

/** An entry of the sparse index: a message and where it is said to stand. */
export interface Entry {
  readonly seq: number
  readonly timestampNs: bigint
  readonly offset: number
}

/** The path of the index of the segment that starts at `seq`. */
export function indexPath(dir: string, seq: number): string {
  return join(dir, `${String(seq).padStart(20, '0')}.idx`)
}

/** The entries of an index, up to the first that is damaged or out of order. */
export function readIndex(dir: string, base: number, id: string): Entry[] {
  const path = indexPath(dir, base)
  const file = readRegular(path)
  const preamble = readPreamble(file, path, 'index')
  check(preamble.id === id, 'CORRUPT', 'an index of another chronicle', { path, offset: 24 })
  check(file.readBigUInt64LE(40) === BigInt(base), 'CORRUPT', 'base_seq is not the name', {
    path,
    offset: 40,
  })
  const entries: Entry[] = []
  for (let at = 64; at + ENTRY_BYTES <= file.length; at += ENTRY_BYTES) {
    const bytes = file.subarray(at, at + ENTRY_BYTES)
    const seq = Number(bytes.readBigUInt64LE(0))
    if (crc32(bytes.subarray(0, 28)) !== bytes.readUInt32LE(28)) break
    if (seq <= (entries.at(-1)?.seq ?? -1)) break
    entries.push({ seq, timestampNs: bytes.readBigUInt64LE(8), offset: Number(bytes.readBigUInt64LE(16)) })
  }
  return entries
}

/** The entries that the index of a segment with these messages has, once it is complete. */
export function expectedIndex(messages: readonly Message[]): Entry[] {
  const entries: Entry[] = []
  let last = 4096
  let within = 0
  for (const { seq, timestampNs, offset, batchRemaining } of messages) {
    if (within === 0 && offset >= last + SPACING) {
      entries.push({ seq, timestampNs, offset })
      last = offset
    }
    within = batchRemaining
  }
  return entries
}

/** The first offset behind these messages of one segment. */
export function usedBytes(messages: readonly Message[]): number {
  const last = messages.at(-1)
  return last === undefined ? 4096 : last.offset + recordBytes(last.length)
}

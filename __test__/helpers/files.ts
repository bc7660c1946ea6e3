import { createHash } from 'node:crypto'
import {
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  readdirSync,
  readSync,
  statSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

import { MessageHeader } from '../../index.ts'

/** The length of a segment header; the first record follows it. */
export const SEGMENT_HEADER = 4096

/** The path of the segment that starts at `base`. */
export function segment(dir: string, base = 0): string {
  return join(dir, `${String(base).padStart(20, '0')}.seg`)
}

/** The path of the index of that segment. */
export function indexOf(dir: string, base = 0): string {
  return segment(dir, base).replace(/seg$/, 'idx')
}

/** The first seqs of the segments, ascending. */
export function bases(dir: string): number[] {
  return readdirSync(dir)
    .filter((name) => name.endsWith('.seg'))
    .map((name) => Number(name.slice(0, 20)))
    .toSorted((a, b) => a - b)
}

/** Every file below `dir` with length, mode and sum of its bytes: what must not change. */
export function snapshot(dir: string): Record<string, string> {
  const files: Record<string, string> = {}
  for (const entry of readdirSync(dir, { withFileTypes: true, recursive: true })) {
    const path = join(entry.parentPath, entry.name)
    const { size, mode } = statSync(path)
    const sum = entry.isFile() ? createHash('sha256').update(readFileSync(path)).digest('hex') : 'no file'
    files[path] = `${size} ${mode.toString(8)} ${sum}`
  }
  return files
}

/** Waits until the helper thread of a writer that has just come has made the indexes that were missing, the last it does unasked. */
export async function settled(dir: string): Promise<void> {
  while (!bases(dir).every((base) => existsSync(indexOf(dir, base)))) await pause(2)
}

/** A {@link snapshot} once the log is {@link settled}. */
export async function settledSnapshot(dir: string): Promise<Record<string, string>> {
  await settled(dir)
  return snapshot(dir)
}

/** Overwrites bytes of a file. */
export function overwrite(path: string, offset: number, bytes: Uint8Array): void {
  const file = openSync(path, 'r+')
  writeSync(file, bytes, 0, bytes.length, offset)
  closeSync(file)
}

/** Bytes of a file. */
export function bytesAt(path: string, offset: number, length: number): Buffer {
  const file = openSync(path, 'r')
  const bytes = Buffer.alloc(length)
  readSync(file, bytes, 0, length, offset)
  closeSync(file)
  return bytes
}

/** Flips one bit of a file. */
export function flip(path: string, offset: number, bit = 0): void {
  const byte = bytesAt(path, offset, 1)
  byte[0]! ^= 1 << bit
  overwrite(path, offset, byte)
}

/** Changes bytes of a header that ends with its own checksum, and makes the checksum right again. */
export function reseal(path: string, start: number, length: number, change: (header: Buffer) => void): void {
  const header = bytesAt(path, start, length)
  change(header)
  header.writeUInt32LE(MessageHeader.crc32(header.subarray(0, length - 4)), length - 4)
  overwrite(path, start, header)
}

/** Changes a published record's header and makes its checksum, which leaves VALID out, right again. */
export function resealRecord(path: string, start: number, change: (header: Buffer) => void): void {
  const header = bytesAt(path, start, 64)
  change(header)
  const covered = Buffer.from(header.subarray(0, 60))
  covered[26]! &= ~1
  header.writeUInt32LE(MessageHeader.crc32(covered), 60)
  overwrite(path, start, header)
}

import { readdirSync } from 'node:fs'
import { join } from 'node:path'

import { crc32 } from './crc.ts'
import { MAX_SEQ } from './header.ts'
import { readPreamble, readRegular } from './preamble.ts'
import { check } from './refusal.ts'

/** Where a named reader stands. */
export interface Position {
  readonly name: string
  readonly nextSeq: number
  readonly generation: bigint
  readonly holderPid: number
}

/** The names of the named readers, sorted. */
export function readerNames(dir: string): string[] {
  const folder = join(dir, 'readers')
  try {
    return readdirSync(folder)
      .filter((name) => !name.startsWith('.'))
      .toSorted()
  } catch {
    return []
  }
}

/** The position of a named reader of the chronicle `id`. */
export function readPosition(dir: string, name: string, id: string): Position {
  const path = join(dir, 'readers', name)
  const file = readRegular(path)
  const preamble = readPreamble(file, path, 'position')
  check(preamble.id === id, 'CORRUPT', 'a position of another chronicle', { path, offset: 24 })
  const slots = [512, 1024, 1536, 2048].flatMap((offset) => readSlot(file, offset))
  const newest = slots.toSorted((a, b) => (a.generation < b.generation ? 1 : -1))[0]
  check(newest !== undefined, 'CORRUPT', 'no slot counts', { path, offset: 512 })
  check(newest.generation <= 2n ** 63n, 'CORRUPT', 'a generation that no reader reaches', { path })
  return { name, ...newest, holderPid: file.readUInt32LE(64) }
}

function readSlot(file: Buffer, offset: number): { generation: bigint; nextSeq: number }[] {
  const [generation, seq] = [file.readBigUInt64LE(offset), file.readBigUInt64LE(offset + 8)]
  const whole = crc32(file.subarray(offset, offset + 16)) === file.readUInt32LE(offset + 16)
  const counts = generation !== 0n && generation !== 2n ** 64n - 1n
  return whole && counts && seq <= MAX_SEQ ? [{ generation, nextSeq: Number(seq) }] : []
}

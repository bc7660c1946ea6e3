import { existsSync, readFileSync } from 'node:fs'

import { crc32 } from './crc.ts'
import { readPreamble, readRegular } from './preamble.ts'
import { check } from './refusal.ts'

/** What the `control` file says. */
export interface Control {
  readonly id: string
  readonly writable: boolean
  readonly createdNs: bigint
  readonly segmentBytes: number
  readonly headSeq: number
  readonly durableSeq: number
  /** What is durable, at the least: the larger of its two slots. */
  readonly durablePoint: number
  readonly writerPid: number
  readonly epoch: number
  /** Segments that start below this were pruned: the larger of its two slots. */
  readonly firstSeq: number
  /** Whether the log was last recovered in this boot of this machine. */
  readonly sameBoot: boolean
}

export function readControl(path: string): Control {
  const file = readRegular(path)
  const preamble = readPreamble(file, path, 'control')
  const segmentBytes = file.readBigUInt64LE(48)
  const fits = segmentBytes >= 65_536n && segmentBytes <= 1n << 32n && segmentBytes % 4096n === 0n
  check(fits, 'OUT_OF_BOUNDS', 'segment_bytes', { path, offset: 48 })
  return {
    ...preamble,
    createdNs: file.readBigUInt64LE(40),
    segmentBytes: Number(segmentBytes),
    headSeq: Number(file.readBigUInt64LE(128)),
    durableSeq: Number(file.readBigUInt64LE(192)),
    durablePoint: Math.max(slot(file, 384), slot(file, 448)),
    writerPid: file.readUInt32LE(256),
    epoch: file.readUInt32LE(260),
    firstSeq: Math.max(slot(file, 512), slot(file, 576)),
    sameBoot: isThisBoot(file.subarray(320, 340)),
  }
}

/** The value of a slot, or 0 where it does not count. */
function slot(file: Buffer, offset: number): number {
  const whole = crc32(file.subarray(offset, offset + 8)) === file.readUInt32LE(offset + 8)
  return whole ? Number(file.readBigUInt64LE(offset)) : 0
}

function isThisBoot(slot: Buffer): boolean {
  const boot = thisBoot()
  return boot !== undefined && crc32(boot) === slot.readUInt32LE(16) && boot.equals(slot.subarray(0, 16))
}

/** The id of this boot as it stands in `control`, or nothing where boots are not known. */
export function thisBoot(): Buffer | undefined {
  const source = '/proc/sys/kernel/random/boot_id'
  if (process.platform !== 'linux' || !existsSync(source)) return undefined
  const digits = readFileSync(source, 'latin1').replaceAll(/[^0-9a-f]/g, '')
  return Buffer.from(Buffer.from(digits, 'hex').toReversed())
}

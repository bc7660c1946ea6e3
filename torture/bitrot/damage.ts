import type { Random } from '../random.ts'
import type { Sample } from './sample.ts'

const SECTOR = 512

/** One damage to one file: its new bytes, or nothing where the file is gone. */
export interface Damage {
  readonly name: string
  readonly bytes: Buffer | undefined
  /** What was done, for people. */
  readonly what: string
}

/** How many single bits `nthBit` knows: every used one of every file. */
export function bitCount({ used }: Sample): number {
  return [...used.values()].reduce((sum, bytes) => sum + bytes * 8, 0)
}

/** The sample with its `index`-th bit flipped. */
export function nthBit(sample: Sample, index: number): Damage {
  let left = index
  for (const [name, bytes] of sample.used) {
    if (left < bytes * 8) return flipped(sample, name, left >> 3, left & 7)
    left -= bytes * 8
  }
  throw new Error(`there is no bit ${index}`)
}

function flipped({ files }: Sample, name: string, offset: number, bit: number): Damage {
  const bytes = Buffer.from(files.get(name)!)
  bytes[offset]! ^= 1 << bit
  return { name, bytes, what: `bit ${bit} of byte ${offset} of ${name}` }
}

/** The sample with one random damage: a bit, bytes, a sector, another length, or a file that is gone. */
export function randomDamage(sample: Sample, random: Random): Damage {
  const name = pickFile(sample, random)
  const bytes = Buffer.from(sample.files.get(name)!)
  const used = Math.min(bytes.length, sample.used.get(name)!)
  // One in four anywhere, the rest in what is used.
  const reach = random.oneIn(4) ? bytes.length : used
  const at = random.below(Math.max(1, reach))
  const kind = random.below(reach === 0 ? 1 : 10)
  if (kind === 0) return otherLength(name, bytes, at, random)
  if (kind <= 3) return flipped(sample, name, at, random.below(8))
  if (kind <= 6) {
    const noise = random.bytes(1 + random.below(64)).subarray(0, bytes.length - at)
    noise.copy(bytes, at)
    return { name, bytes, what: `${noise.length} bytes of noise at ${at} of ${name}` }
  }
  return otherSector(name, bytes, at - (at % SECTOR), random)
}

/** Segments mostly, and each other kind of file often enough. */
function pickFile({ files }: Sample, random: Random): string {
  const names = [...files.keys()].filter((name) => !name.endsWith('.lock'))
  const ending = random.pick(['.seg', '.seg', '.seg', '.idx', 'control', 'readers/'])
  return random.pick(names.filter((name) => name.endsWith(ending) || name.startsWith(ending)))
}

function otherLength(name: string, bytes: Buffer, at: number, random: Random): Damage {
  if (random.oneIn(4)) return { name, bytes: undefined, what: `${name} is gone` }
  if (random.oneIn(3)) {
    const more = random.oneIn(2) ? Buffer.alloc(4096) : random.bytes(1 + random.below(5000))
    return { name, bytes: Buffer.concat([bytes, more]), what: `${name} is ${more.length} bytes longer` }
  }
  return { name, bytes: bytes.subarray(0, at), what: `${name} is cut to ${at} bytes` }
}

/** A sector that was lost, that holds noise, or what belongs to another place of the same file. */
function otherSector(name: string, bytes: Buffer, at: number, random: Random): Damage {
  const length = Math.min(SECTOR, bytes.length - at)
  const how = random.below(3)
  if (how === 0) bytes.fill(0, at, at + length)
  else if (how === 1) random.bytes(length).copy(bytes, at)
  else {
    const from = random.below(Math.ceil(bytes.length / SECTOR)) * SECTOR
    bytes.copyWithin(at, from, from + length)
  }
  const filled = ['zeros', 'noise', 'another sector'][how]
  return { name, bytes, what: `${filled} in the sector at ${at} of ${name}` }
}

/** One group of cases, in a process of its own so that a crash is seen: started by `bitrot.ts`. */
import { cpSync, mkdirSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'

import { Random } from '../random.ts'
import { bitCount, nthBit, randomDamage, type Damage } from './damage.ts'
import { Fault, judge } from './judge.ts'
import { endure, forged } from './forge.ts'
import { inAnotherBoot, makeSample, writeFiles, type Files, type Sample } from './sample.ts'

/** What a child is to do. */
export interface Group {
  readonly folder: string
  readonly keep: string
  readonly seed: number
  readonly first: number
  readonly last: number
  readonly everyBit: boolean
  /** How many findings end it. */
  readonly most: number
  /** Whether fields are forged under right checksums, instead of damage that nobody meant. */
  readonly forge: boolean
}

/** What a child says: at the end of each case that found something, and of all. */
export type Said =
  | { readonly fault: { kind: Fault['kind']; what: string; index: number; kept: string } }
  | { readonly done: number; readonly outcomes: Record<string, number>; readonly bits: number }

const MAX_RSS = 600 << 20

interface Samples {
  readonly small: readonly Sample[]
  readonly larger: readonly Sample[]
}

function damageOf(samples: Samples, group: Group, index: number, random: Random): [Sample, Damage] {
  const small = samples.small[random.below(2)]!
  if (group.everyBit && index < bitCount(small)) return [small, nthBit(small, index)]
  if (random.oneIn(2)) return [small, nthBit(small, random.below(bitCount(small)))]
  const sample = random.oneIn(3) ? small : samples.larger[random.below(2)]!
  return [sample, randomDamage(sample, random)]
}

/** What a case starts from. */
interface Case {
  readonly sample: Sample
  readonly files: Files
  readonly what: string
}

function damage(samples: Samples, group: Group, index: number, random: Random): Case {
  const [sample, { name, bytes, what }] = damageOf(samples, group, index, random)
  const files = new Map(sample.files)
  if (bytes === undefined) files.delete(name)
  else files.set(name, bytes)
  return { sample, files, what }
}

function forge(samples: Samples, random: Random): Case {
  const sample = (random.oneIn(10) ? samples.larger : samples.small)[random.below(2)]!
  return { sample, ...forged(sample, random) }
}

async function run(group: Group): Promise<void> {
  const { folder, keep, seed, first, last, most } = group
  mkdirSync(folder, { recursive: true })
  const both = (sample: Sample): Sample[] => [sample, inAnotherBoot(sample)]
  const samples = {
    small: both(await makeSample(join(folder, 'small'), 'small')),
    larger: both(await makeSample(join(folder, 'larger'), 'larger')),
  }
  const at = openSync(join(folder, 'case'), 'w')
  const dir = join(folder, 'log')
  const outcomes: Record<string, number> = {}
  let faults = 0
  for (let index = first; index < last && faults < most; index++) {
    writeSync(at, `${index}`.padEnd(20), 0)
    const random = new Random(seed, index)
    const { sample, files, what } = group.forge
      ? forge(samples, random)
      : damage(samples, group, index, random)
    writeFiles(dir, files)
    try {
      const outcome = group.forge ? await endure(dir, files, random) : await judge(dir, sample, random)
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
      const { rss } = process.memoryUsage()
      if (rss > MAX_RSS) throw new Fault('memory', `${rss} bytes are resident`)
    } catch (error) {
      faults++
      const kept = join(keep, `${group.forge ? 'forge' : 'bitrot'}-${seed}-${index}`)
      cpSync(dir, join(kept, 'left'), { recursive: true })
      writeFiles(join(kept, 'damaged'), files)
      writeFiles(join(kept, 'sound'), sample.files)
      const fault =
        error instanceof Fault
          ? error
          : new Fault('untyped', error instanceof Error ? (error.stack ?? error.message) : String(error))
      say({ fault: { kind: fault.kind, what: `${what}: ${fault.message}`, index, kept } })
    }
  }
  say({ done: last - first, outcomes, bits: bitCount(samples.small[0]!) })
}

function say(said: Said): void {
  process.send?.(said)
}

await run(JSON.parse(process.argv[2]!) as Group)
process.disconnect?.()

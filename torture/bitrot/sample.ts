import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'

import { Chronicle } from '../../index.ts'
import { crc32 } from '../../__test__/reference/crc.ts'
import { survey, type Message } from '../../__test__/reference/log.ts'
import { readPosition, readerNames } from '../../__test__/reference/position.ts'
import { usedBytes } from '../../__test__/reference/index.ts'
import { Random } from '../random.ts'

/** The files of a chronicle by their names. */
export type Files = ReadonlyMap<string, Buffer>

/** A sound log: its files, and what it holds. */
export interface Sample {
  readonly files: Files
  readonly messages: readonly Message[]
  /** For each named reader, what its two slots say: a damaged one leaves the other. */
  readonly positions: Readonly<Record<string, readonly number[]>>
  /** Every message below this seq must be there, or be missed with an error. */
  readonly promised: number
  /** How many bytes of each file are used; the rest is zero. */
  readonly used: ReadonlyMap<string, number>
}

export const sizes = ['small', 'larger'] as const

/** Makes a log in `dir` and takes it into memory. The small one is durable to its end. */
export async function makeSample(dir: string, size: (typeof sizes)[number]): Promise<Sample> {
  rmSync(dir, { recursive: true, force: true })
  const positions = size === 'small' ? await makeSmall(dir) : await makeLarger(dir)
  const { messages, refusal, control } = survey(dir)
  if (refusal !== undefined) throw refusal
  for (const name of readerNames(dir)) {
    const { nextSeq } = readPosition(dir, name, control.id)
    if (!positions[name]?.includes(nextSeq)) throw new Error(`position ${nextSeq} of ${name}`)
  }
  const files = readFiles(dir)
  const used = new Map([...files].map(([name, bytes]) => [name, usedOf(dir, name, bytes, messages)]))
  return { files, messages, positions, promised: messages.length, used }
}

type Positions = Record<string, number[]>

async function makeSmall(dir: string): Promise<Positions> {
  const log = Chronicle.open(dir, { segmentBytes: 65_536, sync: 'none' })
  log.append('hello', { type: 7 })
  log.append('')
  log.appendBatch(['of', 'one', { payload: 'batch', type: 3 }])
  // Does not fit in what is left of the segment: what comes stands in the next one.
  log.claim(61_200).abort()
  log.append('in the second segment, in more than one line of the cache, so that its payload spans several')
  log.appendBatch(['another', 'batch'])
  log.append('the last one', { type: 65_535 })
  await log.sync()
  const positions = { billing: await readAs(log, 'billing', [2, 5]) }
  log.close()
  return positions
}

async function makeLarger(dir: string): Promise<Positions> {
  const random = new Random(1)
  const log = Chronicle.open(dir, { segmentBytes: 262_144, sync: 'none' })
  for (let count = 0; count < 250; count++) {
    log.append(random.bytes(random.below(3000)), { type: random.below(65_536) })
    if (random.oneIn(5)) {
      log.appendBatch(Array.from({ length: 2 + random.below(8) }, () => random.bytes(random.below(600))))
    }
    if (count === 100) log.append(random.bytes(300_000))
    // What comes later is not durable: damage there, found in another boot, is a torn tail.
    if (count === 200) await log.sync()
  }
  const positions = {
    audit: await readAs(log, 'audit', [0]),
    billing: await readAs(log, 'billing', [100, 200]),
  }
  log.close()
  return positions
}

/** Reads under a name, commits these seqs, and tells what the slots hold then. */
async function readAs(log: Chronicle, name: string, commits: readonly number[]): Promise<number[]> {
  for await (const message of log.tail({ name })) {
    if (commits.includes(message.seq)) message.commit()
    if (message.seq === commits.at(-1)) break
  }
  return [0, ...commits.map((seq) => seq + 1)].slice(-2)
}

function usedOf(dir: string, name: string, bytes: Buffer, messages: readonly Message[]): number {
  if (name === 'control') return 640
  if (name.startsWith('readers/')) return 1044
  if (!name.endsWith('.seg')) return bytes.length
  // The header of END, or of the next message, belongs to what is used.
  return usedBytes(messages.filter(({ path }) => path === join(dir, name))) + 64
}

/** The sample as it would be found after the machine was started again. */
export function inAnotherBoot(sample: Sample): Sample {
  const control = Buffer.from(sample.files.get('control')!)
  control.fill('another boot id.', 320, 336)
  control.writeUInt32LE(crc32(control.subarray(320, 336)), 336)
  const promised = Math.max(...[384, 448].map((slot) => Number(control.readBigUInt64LE(slot))))
  return { ...sample, promised, files: new Map([...sample.files, ['control', control]]) }
}

/** All files below a directory, by name. */
export function readFiles(dir: string): Map<string, Buffer> {
  const entries = readdirSync(dir, { withFileTypes: true, recursive: true }).filter((entry) => entry.isFile())
  const paths = entries.map((entry) => join(entry.parentPath, entry.name))
  return new Map(paths.map((path) => [relative(dir, path).replaceAll('\\', '/'), readFileSync(path)]))
}

/** Makes a directory hold these files and nothing else. */
export function writeFiles(dir: string, files: Files): void {
  rmSync(dir, { recursive: true, force: true })
  for (const [name, bytes] of files) {
    mkdirSync(dirname(join(dir, name)), { recursive: true })
    writeFileSync(join(dir, name), bytes)
  }
}

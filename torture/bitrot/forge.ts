import { Chronicle, ChronicleError, repair, verify } from '../../index.ts'
import { crc32 } from '../../__test__/reference/crc.ts'
import type { Random } from '../random.ts'
import { Fault } from './judge.ts'
import { writeFiles, type Files, type Sample } from './sample.ts'

/** A structure with a checksum: where it starts in its file, where its checksum stands, and its fields. */
interface Form {
  readonly start: number
  readonly checksumAt: number
  /** Offset and length of each field. */
  readonly fields: readonly (readonly [offset: number, length: number])[]
}

const preamble = [12, 16, 20, 24, 32].map((offset) => [offset, 4] as const)

const forms: Readonly<Record<string, readonly Form[]>> = {
  control: [
    { start: 0, checksumAt: 60, fields: [...preamble, [40, 8], [48, 8], [56, 4]] },
    { start: 320, checksumAt: 16, fields: [[0, 8]] },
    { start: 384, checksumAt: 8, fields: [[0, 8]] },
    { start: 448, checksumAt: 8, fields: [[0, 8]] },
    { start: 512, checksumAt: 8, fields: [[0, 8]] },
    { start: 576, checksumAt: 8, fields: [[0, 8]] },
  ],
  index: [
    { start: 0, checksumAt: 60, fields: [...preamble, [40, 8], [48, 4]] },
    {
      start: 64,
      checksumAt: 28,
      fields: [
        [0, 8],
        [8, 8],
        [16, 8],
        [24, 4],
      ],
    },
  ],
  position: [
    { start: 0, checksumAt: 60, fields: [...preamble, [40, 8]] },
    {
      start: 512,
      checksumAt: 16,
      fields: [
        [0, 8],
        [8, 8],
      ],
    },
    {
      start: 1024,
      checksumAt: 16,
      fields: [
        [0, 8],
        [8, 8],
      ],
    },
  ],
}

const segmentForm: Form = {
  start: 0,
  checksumAt: 4092,
  fields: [...preamble, [40, 8], [48, 8], [56, 8], [64, 8], [72, 4], [76, 4]],
}

const recordFields = [
  [0, 8],
  [8, 8],
  [16, 4],
  [20, 4],
  [24, 2],
  [26, 1],
  [27, 1],
  [28, 4],
  [32, 4],
  [36, 8],
  [56, 4],
] as const

/** Words of `control` that have no checksum. */
const bareWords = [
  [64, 4],
  [68, 4],
  [128, 8],
  [192, 8],
  [256, 4],
  [260, 4],
  [264, 4],
  [268, 4],
] as const

function formOf(sample: Sample, name: string, random: Random): Form | undefined {
  if (name === 'control') return random.pick(forms['control']!)
  if (name.endsWith('.idx'))
    return random.pick(forms['index']!.slice(0, sample.files.get(name)!.length > 64 ? 2 : 1))
  if (name.startsWith('readers/')) return random.pick(forms['position']!)
  const own = sample.messages.filter(({ path }) => path.endsWith(name))
  if (!name.endsWith('.seg')) return undefined
  if (random.oneIn(4) || own.length === 0) return segmentForm
  return { start: random.pick(own).offset, checksumAt: 60, fields: recordFields }
}

/** The files with a few fields that say something else under right checksums, as somebody could make them. */
export function forged(sample: Sample, random: Random): { files: Files; what: string } {
  const files = new Map(sample.files)
  const whats: string[] = []
  for (let count = 1 + random.below(3); count > 0; count--) {
    const name = random.pick([...files.keys()].filter((name) => !name.endsWith('.lock')))
    const bytes = Buffer.from(files.get(name)!)
    if (name === 'control' && random.oneIn(2)) {
      whats.push(`${name} ${forgeField(bytes, random.pick(bareWords), random)}`)
    } else {
      const form = formOf(sample, name, random)!
      const part = bytes.subarray(form.start, form.start + form.checksumAt + 4)
      whats.push(`${name} at ${form.start} ${forgeField(part, random.pick(form.fields), random)}`)
      seal(part, form)
    }
    files.set(name, bytes)
  }
  return { files, what: whats.join(', ') }
}

function seal(part: Buffer, { checksumAt, fields }: Form): void {
  const covered = Buffer.from(part.subarray(0, checksumAt))
  // The checksum of a record leaves VALID out.
  if (fields === recordFields) covered[26]! &= ~1
  part.writeUInt32LE(crc32(covered), checksumAt)
}

function forgeField(part: Buffer, [offset, length]: readonly [number, number], random: Random): string {
  const field = part.subarray(offset, offset + length)
  const how = random.below(6)
  if (how === 0) field.fill(0)
  else if (how === 1) field.fill(0xff)
  else if (how === 2) field[0] = field[0]! + 1
  else if (how === 3) field[0] = field[0]! - 1
  else if (how === 4) field[random.below(length)] = random.below(256)
  else random.bytes(length).copy(field)
  return `+${offset} = ${field.toString('hex')}`
}

/** No log here has as many messages: who reads more goes round in circles. */
const MOST = 20_000

/** Does everything with a forged log. There is no right answer, but it is a `ChronicleError` or an end. */
export async function endure(dir: string, files: Files, random: Random): Promise<string> {
  let outcome = 'read'
  const note = (error: unknown, doing: string): void => {
    const known = error instanceof ChronicleError && error.code !== 'ERR_CHRONICLE_POISONED'
    if (!known) throw new Fault('untyped', `${doing}: ${String(error)}`)
    if (outcome === 'read') outcome = error.code
  }
  const attempt = (doing: string, action: () => void): void => {
    try {
      action()
    } catch (error) {
      if (error instanceof Fault) throw error
      note(error, doing)
    }
  }
  attempt('open for reading', () => {
    const log = Chronicle.open(dir, { readOnly: true })
    try {
      for (const options of [
        {},
        { reverse: true },
        { from: random.below(20) },
        { from: new Date() },
        { from: -5 },
      ]) {
        attempt(`read ${JSON.stringify(options)}`, () => {
          let count = 0
          for (const { payload } of log.read(options)) {
            if (count++ > MOST || payload.length > 2 ** 20) throw new Fault('hang', 'reading does not end')
          }
        })
      }
      attempt('readers', () => log.readers())
      attempt('stats', () => log.stats())
    } finally {
      log.close()
    }
  })
  await verify(dir).catch((error: unknown) => note(error, 'verify'))
  attempt('open for writing', () => use(dir, attempt))
  writeFiles(dir, files)
  await repair(dir).catch((error: unknown) => note(error, 'repair'))
  attempt('open what was repaired', () => use(dir, attempt))
  return outcome
}

function use(dir: string, attempt: (doing: string, action: () => void) => void): void {
  const log = Chronicle.open(dir, { sync: 'none', create: false })
  try {
    for (let count = 0; count < 6; count++) attempt('append', () => log.append(`appended ${count}`))
    attempt('append a batch', () => log.appendBatch(['a', 'b', Buffer.alloc(70_000)]))
    attempt('tail', () => log.tail({ name: 'billing' }).close())
    attempt('set a reader', () => log.setReader('billing', 3))
    attempt('prune', () => log.prune({ keepMessages: 1 }))
  } finally {
    log.close()
  }
}

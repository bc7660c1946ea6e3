import { basename } from 'node:path'

import { Chronicle, ChronicleError, repair, verify, type Message as Read } from '../../index.ts'
import { crc32 } from '../../__test__/reference/crc.ts'
import { Refusal, survey, type Message } from '../../__test__/reference/log.ts'
import type { Finding } from '../harness.ts'
import type { Random } from '../random.ts'
import { readFiles, writeFiles, type Files, type Sample } from './sample.ts'

/** The answers that damaged bytes may get. */
const refusals = new Set([
  'ERR_CHRONICLE_NOT_FOUND',
  'ERR_CHRONICLE_NOT_A_CHRONICLE',
  'ERR_CHRONICLE_READ_ONLY',
  'ERR_CHRONICLE_EMPTY_FILE',
  'ERR_CHRONICLE_TRUNCATED',
  'ERR_CHRONICLE_BAD_MAGIC',
  'ERR_CHRONICLE_UNSUPPORTED_VERSION',
  'ERR_CHRONICLE_UNSUPPORTED_FEATURE',
  'ERR_CHRONICLE_OUT_OF_BOUNDS',
  'ERR_CHRONICLE_CORRUPT',
  'ERR_CHRONICLE_MISSING_SEGMENT',
  'ERR_CHRONICLE_GAP',
])

/** What must not happen, as it is thrown from within a case. */
export class Fault extends Error {
  readonly kind: Finding['kind']

  constructor(kind: Finding['kind'], what: string) {
    super(what)
    this.kind = kind
  }
}

/** The code of a refusal; anything else that is thrown is a fault. */
function codeOf(error: unknown, doing: string): string {
  if (error instanceof Fault) throw error
  if (error instanceof ChronicleError && refusals.has(error.code)) return error.code
  const shown = error instanceof ChronicleError ? `${error.code}: ${error.message}` : String(error)
  throw new Fault('untyped', `${doing}: ${shown}`)
}

/** Runs something that may be refused, and tells with what code it was. */
function attempt(doing: string, action: () => void): string | undefined {
  try {
    action()
    return undefined
  } catch (error) {
    return codeOf(error, doing)
  }
}

type Told = Pick<Read, 'seq' | 'type' | 'length' | 'timestampNs' | 'batchRemaining' | 'payload'>

function isSame(read: Told, message: Message): boolean {
  return (
    read.seq === message.seq &&
    read.type === message.type &&
    read.length === message.length &&
    read.timestampNs === message.timestampNs &&
    read.batchRemaining === message.batchRemaining &&
    Buffer.compare(read.payload, message.payload) === 0
  )
}

/**
 * Reads on to the end or to a refusal. What is read must be the expected messages, and without a refusal all of them that are
 * promised.
 */
function walk(
  read: () => Iterable<Told>,
  expected: readonly Message[],
  doing: string,
  promised = Infinity,
): Walked {
  let count = 0
  const code = attempt(doing, () => {
    for (const message of read()) {
      const original = expected[count]
      if (original === undefined)
        throw new Fault('invented', `${doing}: message ${message.seq} behind the last`)
      if (!isSame(message, original)) {
        throw new Fault(
          'wrong',
          `${doing}: ${message.seq} where ${original.seq} was to come, or other content`,
        )
      }
      count++
    }
    const missed = expected[count]
    if (missed !== undefined && missed.seq < promised) {
      throw new Fault('lost', `${doing}: ended without an error behind ${count} of ${expected.length}`)
    }
  })
  return { count, code }
}

interface Walked {
  readonly count: number
  readonly code: string | undefined
}

/** Everything that is done with one damaged log in `dir`. Returns what happened, for the statistics. */
export async function judge(dir: string, sample: Sample, random: Random): Promise<string> {
  const damaged = readFiles(dir)
  const walked = judgeReading(dir, sample, random)
  requireSame(dir, damaged, 'reading')
  requireAgreement(dir, walked)
  const sound = await judgeVerify(dir, sample, walked)
  requireSame(dir, damaged, 'verify')
  const refused = judgeWriting(dir, sample, damaged, walked)
  if (walked.code !== undefined || refused !== undefined || !sound) {
    writeFiles(dir, damaged)
    await judgeRepair(dir, sample, damaged, walked)
  }
  return walked.code ?? refused ?? (sound ? 'whole' : 'whole, reported')
}

function judgeReading(dir: string, sample: Sample, random: Random): Walked {
  const { messages, promised } = sample
  let log: Chronicle | undefined
  const code = attempt('open for reading', () => {
    log = Chronicle.open(dir, { readOnly: true })
  })
  if (log === undefined) return { count: 0, code }
  const opened = log
  try {
    const walked = walk(() => opened.read(), messages, 'read', promised)
    const from = random.below(messages.length)
    const rest = messages.slice(from)
    walk(() => opened.read({ from }), rest, `read from ${from}`, promised)
    const { timestampNs } = messages[from]!
    const later = messages.filter((message) => message.timestampNs >= timestampNs)
    walk(() => opened.read({ from: timestampNs }), later, `read from the time of ${from}`, promised)
    // A head that is told wrong in a word without a checksum moves where reading backward begins.
    attempt('read backward', () => judgeBackward(opened, messages))
    attempt('positions', () => judgePositions(opened, sample))
    return walked
  } finally {
    opened.close()
  }
}

/** Both readers come to the same end for the same reason. */
function requireAgreement(dir: string, { count, code }: Walked): void {
  let [other, kind]: [number, string | undefined] = [0, undefined]
  try {
    const { messages, refusal } = survey(dir)
    ;[other, kind] = [messages.length, refusal?.kind]
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    kind = error.kind
  }
  const otherCode = kind && `ERR_CHRONICLE_${kind}`
  if (count !== other || code !== otherCode) {
    const [here, there] = [`${code} behind ${count}`, `${otherCode} behind ${other}`]
    throw new Fault('wrong', `reading ends with ${here} messages, the reference with ${there}`)
  }
}

/** Backward from wherever the log says that it ends: each message is right, none is stepped over, and the first is the last. */
function judgeBackward(log: Chronicle, messages: readonly Message[]): void {
  let before: number | undefined
  for (const message of log.read({ reverse: true })) {
    const original = messages[message.seq]
    if (original === undefined || !isSame(message, original)) {
      throw new Fault('wrong', `read backward: other content as ${message.seq}`)
    }
    if (before !== undefined && message.seq !== before - 1) {
      throw new Fault('wrong', `read backward: ${message.seq} behind ${before}`)
    }
    before = message.seq
  }
  if ((before ?? 0) > 0) throw new Fault('lost', `read backward: ended without an error at ${before}`)
}

function judgePositions(log: Chronicle, { positions }: Sample): void {
  for (const { name, nextSeq, failure } of log.readers()) {
    if (failure !== undefined) continue
    if (positions[name]?.includes(nextSeq) !== true) {
      throw new Fault('position', `${name} is told to be at ${nextSeq}, not ${positions[name]?.join(' or ')}`)
    }
  }
}

/** Whether verify says that all is well. */
async function judgeVerify(dir: string, { promised }: Sample, walked: Walked): Promise<boolean> {
  try {
    const report = await verify(dir)
    if (report.sound && walked.code !== undefined) {
      throw new Fault('wrong', `verify says sound, reading says ${walked.code}`)
    }
    if (report.sound && report.messages < promised) {
      throw new Fault('lost', `verify says sound with ${report.messages} of ${promised} messages`)
    }
    return report.sound && report.problems.length === 0
  } catch (error) {
    codeOf(error, 'verify')
    return false
  }
}

const APPENDED = 6

/**
 * Opens for writing and goes on. A refusal leaves every file as it was. Without one nothing may be lost: what could be read can
 * still be read, up to the damage that is not this opening's to find, and what is appended is there.
 */
function judgeWriting(dir: string, sample: Sample, damaged: Files, walked: Walked): string | undefined {
  const { messages, promised } = sample
  let log: Chronicle | undefined
  const code = attempt('open for writing', () => {
    log = Chronicle.open(dir, { sync: 'none', create: false })
    log.acquire()
  })
  if (code !== undefined) {
    log?.close()
    requireSame(dir, damaged, 'a refused opening')
    return code
  }
  const opened = log!
  let left: number
  try {
    left = opened.nextSeq
    if (left < promised) throw new Fault('lost', `opening for writing left ${left} of ${promised} messages`)
    requireNoLess(
      walk(() => opened.read(), messages.slice(0, left), 'read after opening for writing'),
      walked,
    )
    for (let count = 0; count < APPENDED; count++) {
      const seq = opened.append(`appended ${count}`)
      if (seq !== left + count) throw new Fault('wrong', `append got ${seq}`)
    }
    attempt('positions of a writer', () => judgePositions(opened, sample))
  } finally {
    opened.close()
  }
  requireKept(dir, damaged, messages, 'an opening for writing')
  judgeAppended(dir, messages.slice(0, left), walked)
  return undefined
}

/** An opening for writing takes nothing away that a reader could read before it, but for a batch that the reader saw a part of. */
function requireNoLess({ code, count }: Walked, before: Walked): void {
  if (count < before.count)
    throw new Fault('lost', `${count} of ${before.count} messages that were read before, ${code}`)
}

/** Nothing whole is thrown away: each record that the damage has left stands where it stood, or in the quarantine. */
function requireKept(dir: string, damaged: Files, messages: readonly Message[], doing: string): void {
  const after = readFiles(dir)
  const quarantine = [...after].filter(([name]) => name.startsWith('quarantine/')).map(([, bytes]) => bytes)
  for (const { seq, path, offset, length } of messages) {
    const name = basename(path)
    const record = (files: Files) => files.get(name)?.subarray(offset, offset + 64 + length)
    const before = record(damaged)
    if (before === undefined || !isWhole(before, seq, length) || record(after)?.equals(before)) continue
    if (!quarantine.some((bytes) => bytes.includes(before)))
      throw new Fault('lost', `${doing} has thrown message ${seq} away`)
  }
}

/** Whether a record that the damage has left is good, seen by itself. */
function isWhole(record: Buffer, seq: number, length: number): boolean {
  if (record.length < 64 + length || record.readBigUInt64LE(0) !== BigInt(seq)) return false
  const header = Buffer.from(record.subarray(0, 60))
  if ((header[26]! & 1) === 0) return false
  header[26]! &= ~1
  return crc32(header) === record.readUInt32LE(60) && crc32(record.subarray(64)) === record.readUInt32LE(20)
}

/** What was there and what was appended must be read by both readers. */
function judgeAppended(dir: string, messages: readonly Message[], walked: Walked): void {
  const expected = Array.from({ length: APPENDED }, (_, count) => `appended ${count}`).join()
  const log = Chronicle.open(dir, { readOnly: true })
  try {
    const texts = Array.from(log.read({ from: messages.length }), (message) => message.text())
    if (texts.join() !== expected) throw new Fault('lost', `what was appended reads ${texts.join()}`)
  } finally {
    log.close()
  }
  const { refusal, messages: found } = survey(dir)
  if (walked.code === undefined) {
    if (refusal !== undefined)
      throw new Fault('wrong', `after appending, the reference says ${refusal.message}`)
    walk(() => found.slice(0, messages.length), messages, 'the reference')
    const texts = found.slice(messages.length).map(({ payload }) => payload.toString())
    if (texts.join() !== expected)
      throw new Fault('lost', `to the reference what was appended is ${texts.join()}`)
  }
}

/** After a repair everything that was promised is there but for what the report says, and nothing else is. */
async function judgeRepair(
  dir: string,
  { messages, promised }: Sample,
  damaged: Files,
  walked: Walked,
): Promise<void> {
  let lost: readonly [number, number] = [0, 0]
  try {
    const report = await repair(dir)
    if (report.lostFrom !== undefined) lost = [report.lostFrom, report.lostTo ?? Infinity]
  } catch (error) {
    codeOf(error, 'repair')
    return
  }
  requireKept(dir, damaged, messages, 'a repair')
  const left = messages.filter(({ seq }) => seq < lost[0] || seq >= lost[1])
  const log = Chronicle.open(dir)
  try {
    const doing = `read after a repair that lost ${lost.join(' to ')}`
    const { code, count } = walk(() => log.read(), left, doing, promised)
    if (code !== undefined) throw new Fault('lost', `after a repair: ${code} behind ${count} messages`)
    if (left.length < wholeBatches(messages, walked.count)) {
      throw new Fault(
        'lost',
        `a repair left ${left.length} messages of ${walked.count} that were read before`,
      )
    }
    log.append('goes on')
  } finally {
    log.close()
  }
  const { sound, problems } = await verify(dir)
  if (!sound) throw new Fault('wrong', `after a repair verify says ${problems[0]?.message}`)
  try {
    const { refusal } = survey(dir)
    if (refusal !== undefined) throw refusal
  } catch (error) {
    if (error instanceof Refusal)
      throw new Fault('wrong', `after a repair the reference says ${error.message}`)
    throw error
  }
}

/** So many of the first `count` messages are of whole batches. */
function wholeBatches(messages: readonly Message[], count: number): number {
  let whole = count
  while (whole > 0 && messages[whole - 1]!.batchRemaining > 0) whole--
  return whole
}

/** Compares the files of a directory with what they were. */
function requireSame(dir: string, before: Files, doing: string): void {
  const after = readFiles(dir)
  for (const [name, bytes] of before) {
    if (after.get(name)?.equals(bytes) !== true) throw new Fault('changed', `${doing} changed ${name}`)
  }
  for (const name of after.keys()) {
    if (!before.has(name) && name !== 'writer.lock') throw new Fault('changed', `${doing} made ${name}`)
  }
}

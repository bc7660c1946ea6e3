import { isUtf8 } from 'node:buffer'

import type { BatchItem, Message } from '../index.ts'

import { Failure } from './errors.ts'
import { isoTime } from './time.ts'

/** A message as a line of JSON has it. */
export interface MessageRecord {
  readonly seq: number
  readonly time: string
  readonly type: number
  /** How many messages of the same batch follow; not there for the last one and outside of batches. */
  readonly batchRemaining?: number
  /** The payload, where it is UTF-8. */
  readonly text?: string
  /** The payload, where it is not. */
  readonly base64?: string
}

/** A message as a record: everything of it, exactly. */
export function recordOf(message: Message, batchRemaining = message.batchRemaining): MessageRecord {
  const { seq, timestampNs, type, payload } = message
  return {
    seq,
    time: isoTime(timestampNs),
    type,
    ...(batchRemaining > 0 && { batchRemaining }),
    ...(isUtf8(payload) ? { text: message.text() } : { base64: Buffer.from(payload).toString('base64') }),
  }
}

/** What a line of an import holds. */
export interface Imported extends BatchItem {
  readonly batchRemaining: number
  readonly seq: number | undefined
}

/** Reads a line that {@link recordOf} made, or that somebody wrote by hand. `where` says which line it is. */
export function readRecord(line: Buffer, where: string): Imported {
  const record = parseObject(line, where)
  const { text, base64, type = 0, batchRemaining = 0, seq } = record
  const number = (name: string, value: unknown, most: number) => {
    if (Number.isInteger(value) && (value as number) >= 0 && (value as number) <= most) return value as number
    throw new Failure(`${where}: ${name} must be a whole number from 0 to ${most}`)
  }
  if ((text === undefined) === (base64 === undefined)) {
    throw new Failure(`${where} must have text or base64, one of them`)
  }
  return {
    payload: text === undefined ? decode(base64, where) : checkText(text, where),
    type: number('type', type, 0xffff),
    batchRemaining: number('batchRemaining', batchRemaining, 0xffff_ffff),
    seq: seq === undefined ? undefined : number('seq', seq, Number.MAX_SAFE_INTEGER),
  }
}

function parseObject(line: Buffer, where: string): Record<string, unknown> {
  let value: unknown
  try {
    value = parseJson(line)
  } catch (error) {
    throw new Failure(`${where} is not JSON: ${(error as Error).message}`)
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value }
  throw new Failure(`${where} is not a JSON object`)
}

/**
 * Parses JSON of bytes.
 *
 * @throws Error when they are not UTF-8 or not JSON.
 */
export function parseJson(line: Buffer): unknown {
  if (!isUtf8(line)) throw new Error('it is not UTF-8')
  return JSON.parse(line.toString())
}

function checkText(text: unknown, where: string): string {
  if (typeof text !== 'string') throw new Failure(`${where}: text must be a string`)
  if (/\p{Surrogate}/u.test(text)) throw new Failure(`${where}: text holds half of a character`)
  return text
}

function decode(base64: unknown, where: string): Buffer {
  const bytes = Buffer.from(typeof base64 === 'string' ? base64 : '', 'base64')
  // The decoder steps over what it does not know.
  if (bytes.toString('base64') !== base64) throw new Failure(`${where}: base64 must be padded base64`)
  return bytes
}

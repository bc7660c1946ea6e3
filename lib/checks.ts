import { isDate } from 'node:util/types'

import { invalidArgument } from './errors.ts'

/** The longest wait, in milliseconds. */
export const MAX_MS = 2 ** 31 - 1
const MAX_TYPE = 0xffff

/** Checks a value that goes by a name, and returns what is to be used. */
export type Check = (value: unknown, name: string) => unknown

/** How a refusal shows the value: short, and without running code of the value's own. */
function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value)
  if (typeof value === 'number') return Object.is(value, -0) ? '-0' : String(value)
  if (typeof value === 'bigint') return `${value}n`
  if (value === null || typeof value === 'boolean') return String(value)
  if (typeof value === 'object') return Array.isArray(value) ? 'an array' : 'an object'
  return typeof value
}

/** Refuses a value that must be something else. */
export function refuse(name: string, must: string, value: unknown): never {
  throw invalidArgument(`${name} must be ${must}, got ${show(value)}`)
}

/** Checks a yes or no. */
export function flag(value: unknown, name: string): boolean {
  return typeof value === 'boolean' ? value : refuse(name, 'true or false', value)
}

/** Checks where payloads are to lie. */
export function place(value: unknown, name: string): 'copy' | 'view' {
  return value === 'copy' || value === 'view' ? value : refuse(name, "'copy' or 'view'", value)
}

/** A check for whole numbers. */
export function whole(min: number, max: number): (value: unknown, name: string) => number {
  return (value, name) =>
    typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max
      ? value
      : refuse(name, `a whole number from ${min} to ${max}`, value)
}

/** Checks how long to wait. */
export const milliseconds: (value: unknown, name: string) => number = whole(0, MAX_MS)

/** Checks a count, a length or an offset. */
export const checkCount: (value: unknown, name: string) => number = whole(0, Number.MAX_SAFE_INTEGER)

/** Checks a seq: a whole number that a message may have. */
export const checkSeq: (value: unknown, name: string) => number = checkCount

/** Checks a message type. */
export const checkType: (value: unknown, name: string) => number = whole(0, MAX_TYPE)

/** Checks a signal. */
export function signal(value: unknown, name: string): AbortSignal {
  return value instanceof AbortSignal ? value : refuse(name, 'an AbortSignal', value)
}

/** A moment in nanoseconds since the Unix epoch. What lies before the epoch begins with it: no message is older. */
function moment(value: bigint | Date, name: string): bigint {
  if (typeof value === 'bigint') {
    return value >= 0n && value < 2n ** 64n
      ? value
      : refuse(name, 'nanoseconds from 0n to 2n ** 64n - 1n', value)
  }
  const ms = Date.prototype.getTime.call(value)
  if (Number.isNaN(ms)) throw invalidArgument(`${name} must be a valid Date`)
  const ns = BigInt(Math.max(0, ms)) * 1_000_000n
  return ns < 2n ** 64n ? ns : 2n ** 64n - 1n
}

/** Checks the name of a reader: the core knows which ones can be file names. */
export function checkName(value: unknown, name: string): string {
  return typeof value === 'string' ? value : refuse(name, 'a string', value)
}

const fromKinds = `a seq, a negative number, a Date, a bigint, 'start' or 'end'`

/** Checks a place to begin at. */
export function from(value: unknown, name: string): NativeFrom {
  if (value === 'start' || value === 'end') return value
  if (typeof value === 'number')
    return Number.isSafeInteger(value) ? value + 0 : refuse(name, fromKinds, value)
  if (typeof value === 'bigint' || isDate(value)) return moment(value, name)
  return refuse(name, fromKinds, value)
}

/** Checks a place to end before. */
export function to(value: unknown, name: string): number | bigint {
  if (typeof value === 'number') return checkCount(value, name)
  if (typeof value === 'bigint' || isDate(value)) return moment(value, name)
  return refuse(name, 'a seq, a Date or a bigint', value)
}

/** Checks a time as a header has it. */
export function nanoseconds(value: unknown, name: string): bigint {
  return typeof value === 'bigint' ? moment(value, name) : refuse(name, 'a bigint of nanoseconds', value)
}

/** A place as the binding takes it: times are nanoseconds. */
export type NativeFrom = number | bigint | 'start' | 'end'

/** The options of a call, with their checks. */
export type Table = Record<string, Check>
/** What a table lets through. */
export type Checked<T extends Table> = { [K in keyof T]?: ReturnType<T[K]> | undefined }

/** Checks each option once, refuses unknown ones by name, and returns what was read. */
export function checked<T extends Table>(options: unknown, table: T, call: string, prefix = ''): Checked<T> {
  const result: Record<string, unknown> = {}
  if (options === undefined) return result as Checked<T>
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    return refuse(`the options of ${call}`, 'an object', options)
  }
  for (const name in options) {
    const check = Object.hasOwn(table, name) ? table[name] : undefined
    if (check === undefined) refuseUnknown(name, table, call)
    const value = (options as Record<string, unknown>)[name]
    if (value !== undefined) result[name] = check(value, `${prefix}${name}`)
  }
  return result as Checked<T>
}

/** Refuses an option by its name. */
export function refuseUnknown(name: string, table: Table, call: string): never {
  throw invalidArgument(`${call} has no option ${show(name)}; it has ${Object.keys(table).join(', ')}`)
}

/** Refuses a payload that is neither text nor bytes. */
export function refusePayload(value: unknown, name: string): never {
  return refuse(name, 'a string or a Uint8Array', value)
}

/** Checks a path: text without a zero character, or a file URL. */
export function checkPath(value: unknown, name: string): string | URL {
  if (value instanceof URL && value.protocol === 'file:') return value
  if (typeof value === 'string' && value !== '' && !value.includes('\0')) return value
  return refuse(name, 'a path or a file URL', value)
}

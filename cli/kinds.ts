import type { SyncOption } from '../index.ts'

import type { Option } from './command.ts'
import { UsageError } from './errors.ts'
import { parsePlace, type Place } from './place.ts'
import { parseDuration, parseTime } from './time.ts'

function refuse(name: string, must: string, text: string): never {
  throw new UsageError(`${name} must be ${must}, got ${JSON.stringify(text)}`)
}

export function flag(help: string, short?: string): Option<boolean> {
  return { help, parse: () => true, ...(short === undefined ? {} : { short }) }
}

export function text(value: string, help: string): Option<string> {
  return { value, help, parse: (given) => given }
}

/** A whole number between bounds. */
export function whole(
  value: string,
  help: string,
  {
    least = 0,
    most = Number.MAX_SAFE_INTEGER,
    short,
  }: { least?: number; most?: number; short?: string } = {},
): Option<number> {
  const parse = (given: string, name: string) => {
    const number = Number(given)
    const fits = /^\d+$/.test(given) && number >= least && number <= most
    return fits ? number : refuse(name, `a whole number from ${least} to ${most}`, given)
  }
  return { value, help, parse, ...(short === undefined ? {} : { short }) }
}

export function choice<const C extends string>(choices: readonly C[], help: string): Option<C> {
  const parse = (given: string, name: string) =>
    choices.find((known) => known === given) ?? refuse(name, `one of ${choices.join(', ')}`, given)
  return { value: choices.join('|'), help, choices, parse }
}

const types = whole('N', '', { most: 0xffff })

/** One or more message types. */
export function messageTypes(help: string): Option<ReadonlySet<number>> {
  return {
    value: 'N[,N…]',
    help,
    parse: (given, name) => new Set(given.split(',').map((one) => types.parse(one, name))),
  }
}

export function messageType(help: string): Option<number> {
  return whole('N', help, { most: 0xffff })
}

/** A place in the log. */
export function place(help: string): Option<Place> {
  return {
    value: 'PLACE',
    help,
    parse: (given, name) =>
      parsePlace(given) ?? refuse(name, 'a seq, -N, start, end, a time or a duration ago', given),
  }
}

export function time(help: string): Option<bigint> {
  return {
    value: 'TIME',
    help,
    parse: (given, name) =>
      parseTime(given) ??
      refuse(name, 'a time such as 2026-01-31T12:00:00Z, or a duration ago such as 10m', given),
  }
}

const byteUnits: Record<string, number> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 }

/** Bytes: 4096, 64k, 512m, 10g. */
export function byteCount(help: string): Option<number> {
  const parse = (given: string, name: string) => {
    const [, digits, unit = ''] = /^(\d+)([kmgt]?)(?:i?b)?$/i.exec(given) ?? []
    const count = Number(digits) * (byteUnits[unit.toLowerCase()] ?? Number.NaN)
    return Number.isSafeInteger(count) ? count : refuse(name, 'bytes such as 4096, 64k, 512m or 10g', given)
  }
  return { value: 'BYTES', help, parse }
}

export function duration(
  help: string,
  { least = 0, most = Number.MAX_SAFE_INTEGER }: { least?: number; most?: number } = {},
): Option<number> {
  const parse = (given: string, name: string) => {
    const ms = parseDuration(given)
    if (ms === undefined) return refuse(name, 'a duration such as 250ms, 10s, 5m, 2h or 7d', given)
    return ms >= least && ms <= most ? ms : refuse(name, `from ${least} to ${most} ms`, given)
  }
  return { value: 'DURATION', help, parse }
}

export function sync(help: string): Option<SyncOption> {
  const parse = (given: string, name: string): SyncOption => {
    if (given === 'none' || given === 'always') return given
    const everyMs = parseDuration(given)
    return everyMs === undefined ? refuse(name, 'none, always or a duration such as 1s', given) : { everyMs }
  }
  return { value: 'none|always|DURATION', help, choices: ['none', 'always'], parse }
}

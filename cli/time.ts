const NS_A_MS = 1_000_000n
const MAX_NS = 2n ** 64n - 1n
const NS_A_SECOND = 1_000_000_000n

const msUnits: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** Milliseconds of a duration: 250ms, 10s, 5m, 2h, 7d. */
export function parseDuration(given: string): number | undefined {
  const [, digits, unit = ''] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(given) ?? []
  const ms = Math.round(Number(digits) * (msUnits[unit] ?? Number.NaN))
  return Number.isSafeInteger(ms) ? ms : undefined
}

/**
 * Nanoseconds since the Unix epoch of an ISO date, with or without a time of up to nine decimals, or of a duration ago. A
 * time is UTC unless it says otherwise, so what is printed can be typed.
 */
export function parseTime(given: string): bigint | undefined {
  const ago = parseDuration(given)
  if (ago !== undefined) return BigInt(Math.max(0, Date.now() - ago)) * NS_A_MS
  const match =
    /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?(Z|[+-]\d\d:?\d\d)?)?$/i.exec(given)
  if (match === null) return undefined
  const [, day, minute = '00:00', second = '00', decimals = '', zone = 'Z'] = match
  const ms = Date.parse(`${day}T${minute}:${second}${zone.toUpperCase().replace(/^(.\d\d)(\d\d)$/, '$1:$2')}`)
  if (Number.isNaN(ms) || ms < 0) return undefined
  const ns = BigInt(ms) * NS_A_MS + BigInt(decimals.padEnd(9, '0'))
  // No message is later than what 64 bits hold, which is in the year 2554.
  return ns < MAX_NS ? ns : MAX_NS
}

// Messages come many to a second, and writing its date is most of the work.
let lastSecond = -1n
let lastText = ''

/** A time in UTC to the nanosecond. */
export function isoTime(ns: bigint): string {
  const second = ns / NS_A_SECOND
  if (second !== lastSecond) {
    lastSecond = second
    lastText = new Date(Number(second) * 1000).toISOString().slice(0, -4)
  }
  return `${lastText}${String(ns % NS_A_SECOND).padStart(9, '0')}Z`
}

import { ChronicleError, invalidArgument, invalidValue } from '../errors.ts'
import type { Payload } from '../options.ts'

/**
 * How values become payloads, and payloads values again. `T` is what reading gives, `I` what can be appended.
 *
 * Anything with these two methods will do, so many a library is a codec as it is. `encode` is done with once the message is
 * appended: a codec may use its memory again.
 *
 * @example
 * ```ts
 * import { Chronicle, type Codec } from 'chronicle-log'
 *
 * const point: Codec<Float64Array> = {
 *   encode: (xyz) => new Uint8Array(xyz.buffer, xyz.byteOffset, xyz.byteLength),
 *   decode: (payload) => new Float64Array(payload.slice().buffer),
 * }
 * using log = Chronicle.open('./track', { codec: point })
 * log.append(new Float64Array([1, 2, 3]))
 * for (const message of log.read()) console.log(message.value[0])
 * ```
 */
export interface Codec<T, I = T> {
  /** The payload of a value: text, stored as UTF-8, or bytes. What it throws refuses the value. */
  encode(value: I): Payload
  /**
   * The value of a payload. The bytes of a {@link Cursor} are valid until its `next()`, so a value that is to be kept must not
   * share them. What it throws comes out of {@link Message.value}.
   */
  decode(payload: Uint8Array): T
  /** Asked instead of {@link decode} where it is there, with the payload as text: JavaScript reads that faster. */
  decodeText?(text: string): T
}

/** Checks that a value is a codec. */
export function checkCodec(value: unknown, name: string): Codec<unknown> {
  const { encode, decode } = (value ?? {}) as Partial<Codec<unknown>>
  if (typeof encode === 'function' && typeof decode === 'function') return value as Codec<unknown>
  const hint = typeof value === 'function' ? ': call the function that makes it' : ''
  throw invalidArgument(`${name} must be a codec, an object with encode and decode${hint}`)
}

/** The payload of a value. `what` is how a refusal names it. */
export function encode(codec: Codec<unknown>, value: unknown, what: string): Payload {
  let payload: unknown
  try {
    payload = codec.encode(value)
  } catch (error) {
    throw refused(error, `${what} cannot be encoded`, {})
  }
  if (typeof payload === 'string' || payload instanceof Uint8Array) return payload
  throw invalidValue(`${what} cannot be encoded: the codec gave neither a string nor a Uint8Array`, {})
}

/** What a codec threw, as an error of this package. Wrong use stays what it is. */
export function refused(error: unknown, what: string, where: { seq?: number }): unknown {
  if (error instanceof ChronicleError) {
    if (error.code !== 'ERR_CHRONICLE_INVALID_VALUE') return error
    const { message, issues, cause } = error
    const known = issues === undefined ? where : { ...where, issues }
    return invalidValue(`${what}: ${message}`, known, cause)
  }
  const reason = error instanceof Error ? error.message : String(error)
  return invalidValue(`${what}: ${reason}`, where, error)
}

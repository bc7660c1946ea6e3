import { invalidValue } from '../errors.ts'
import type { Payload } from '../options.ts'
import type { Codec } from './codec.ts'
import { maybeWithSchema, type SchemaOptions } from './schema.ts'

/**
 * Values are the payloads themselves, as without a codec: text and bytes go in, bytes come out.
 *
 * @example
 * ```ts
 * import { Chronicle, raw } from 'chronicle-log'
 *
 * using log = Chronicle.open('./frames')
 * const frames = log.types({ video: [1, raw()], audio: [2, raw()] })
 * frames.append('audio', new Uint8Array(960))
 * ```
 */
export function raw(): Codec<Uint8Array, Payload> {
  return { encode: (payload) => payload, decode: (payload) => payload }
}

/**
 * Values are text. What is not valid UTF-8 is read as U+FFFD.
 *
 * @example
 * ```ts
 * import { Chronicle, utf8 } from 'chronicle-log'
 *
 * using log = Chronicle.open('./lines', { codec: utf8() })
 * log.append('hello')
 * for (const { value } of log.read()) console.log(value.toUpperCase())
 * ```
 */
export function utf8(): Codec<string> {
  return {
    encode(value) {
      if (typeof value !== 'string') throw invalidValue(`it is a ${typeof value}, not a string`, {})
      return value
    },
    decode: text,
    decodeText: (text) => text,
  }
}

/**
 * Values are stored as JSON. With a schema they are validated too.
 *
 * @param options - A schema, and when it is asked: see {@link SchemaOptions}.
 * @throws {@link ChronicleError} `ERR_CHRONICLE_INVALID_ARGUMENT`. Appending and {@link Message.value} throw
 * `ERR_CHRONICLE_INVALID_VALUE` for what is not JSON or not as the schema says.
 *
 * @example
 * ```ts
 * import { Chronicle, json } from 'chronicle-log'
 *
 * interface Order {
 *   id: number
 *   total: number
 * }
 * using log = Chronicle.open<Order>('./orders', { codec: json<Order>() })
 * log.append({ id: 7, total: 30 })
 * for (const { value } of log.read()) console.log(value.total)
 * ```
 */
export function json<T = unknown, I = T>(options?: SchemaOptions<T, I>): Codec<T, I> {
  return maybeWithSchema<T, I>(
    {
      encode(value) {
        // Not always a string, whatever its type says: a function and undefined have no JSON.
        const encoded = JSON.stringify(value) as string | undefined
        if (encoded === undefined) throw invalidValue(`a value of type ${typeof value} has no JSON`, {})
        return encoded
      },
      decode: (payload) => JSON.parse(text(payload)) as unknown,
      decodeText: (text) => JSON.parse(text) as unknown,
    },
    options,
    'json',
  )
}

function text({ buffer, byteOffset, byteLength }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString('utf8')
}

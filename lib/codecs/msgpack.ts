import { missingDependency } from '../errors.ts'
import type { Codec } from './codec.ts'
import { load } from './msgpackr.cjs'
import { maybeWithSchema, type SchemaOptions } from './schema.ts'

/**
 * Values are stored as MessagePack, which is mostly shorter than JSON and keeps dates and bytes. Each message stands for itself, so any
 * library of MessagePack reads it. Needs the package `msgpackr`, which is not installed with this one.
 *
 * @param options - A schema, and when it is asked: see {@link SchemaOptions}.
 * @throws {@link ChronicleError} `ERR_CHRONICLE_MISSING_DEPENDENCY` without `msgpackr`, `ERR_CHRONICLE_INVALID_ARGUMENT`.
 *
 * @example
 * ```ts
 * import { Chronicle, msgpack } from 'chronicle-log'
 *
 * interface Reading {
 *   sensor: string
 *   at: Date
 * }
 * using log = Chronicle.open('./readings', { codec: msgpack<Reading>() })
 * log.append({ sensor: 'roof', at: new Date() })
 * ```
 */
export function msgpack<T = unknown, I = T>(options?: SchemaOptions<T, I>): Codec<T, I> {
  const { Packr } = load((cause) => missingDependency('msgpackr', 'msgpack()', cause))
  // Records would refer to structures of earlier messages, and bytes that are not copied to a slab that a cursor uses again.
  const packr = new Packr({ useRecords: false, copyBuffers: true })
  return maybeWithSchema<T, I>(
    { encode: (value) => packr.pack(value), decode: (payload) => packr.unpack(payload) as unknown },
    options,
    'msgpack',
  )
}

import { checked } from '../checks.ts'
import { invalidArgument, invalidValue } from '../errors.ts'
import { checkCodec, type Codec } from './codec.ts'

/** One thing that a schema finds wrong with a value. */
export interface SchemaIssue {
  /** What is wrong, in the words of the schema's library. */
  readonly message: string
  /** Where in the value. */
  readonly path?:
    | readonly (
        | PropertyKey
        | {
            /** The property or the index. */
            readonly key: PropertyKey
          }
      )[]
    | undefined
}

/**
 * A schema of any library that follows Standard Schema, version 1: zod, valibot, arktype and others. Only its synchronous
 * validation is used.
 */
export interface StandardSchema<I = unknown, T = I> {
  /** What the standard asks for. */
  readonly '~standard': {
    /** Of the standard. */
    readonly version: 1
    /** The library. */
    readonly vendor: string
    /** Checks a value, and gives what the schema makes of it. */
    readonly validate: (value: unknown) => SchemaResult<T> | Promise<SchemaResult<T>>
    /** Carries the types to the compiler; there is no value. */
    readonly types?:
      | {
          /** What is given to the schema. */
          readonly input: I
          /** What it gives. */
          readonly output: T
        }
      | undefined
  }
}

/** What a validation finds. */
export type SchemaResult<T> =
  | {
      /** What the schema makes of the value. */
      readonly value: T
      /** Nothing is wrong. */
      readonly issues?: undefined
    }
  | {
      /** Everything that is wrong. */
      readonly issues: readonly SchemaIssue[]
    }

/** When a schema is asked: see {@link SchemaOptions.validate}. */
export type Validate = 'write' | 'read' | 'both'

/** Options of {@link json} and {@link msgpack}. */
export interface SchemaOptions<T, I = T> {
  /** What values have to be. Must validate synchronously. Default: none, and nothing is checked. */
  schema?: StandardSchema<I, T> | undefined
  /**
   * When the schema is asked. A schema that changes what it is given (defaults, coercions, dates made from text) is applied once
   * to what a reader gets:
   *
   * - `'both'`: appending refuses what does not fit and stores values as they were given; reading validates and gives what the
   *   schema makes of them, whoever wrote them.
   * - `'write'`: appending stores what the schema makes of a value; reading trusts what is there and costs no validation.
   * - `'read'`: appending costs no validation.
   *
   * Default: `'both'`.
   */
  validate?: Validate | undefined
}

/**
 * Puts a schema in front of any codec.
 *
 * @param codec - How values are stored.
 * @param schema - What they have to be.
 * @param options - `validate`, as in {@link SchemaOptions.validate}.
 * @throws {@link ChronicleError} `ERR_CHRONICLE_INVALID_ARGUMENT`. The codec throws `ERR_CHRONICLE_INVALID_VALUE` with
 * {@link ChronicleError.issues}.
 *
 * @example
 * ```ts
 * import { Chronicle, utf8, withSchema } from 'chronicle-log'
 * import { z } from 'zod'
 *
 * using log = Chronicle.open('./ids', { codec: withSchema(utf8(), z.uuid()) })
 * ```
 */
export function withSchema<T, I = T>(
  codec: Codec<unknown>,
  schema: StandardSchema<I, T>,
  options?: { validate?: Validate | undefined },
): Codec<T, I> {
  const { validate = 'both' } = checked(options, { validate: when }, 'withSchema')
  return validated(checkCodec(codec, 'codec'), checkSchema(schema, 'schema'), validate) as Codec<T, I>
}

/** {@link withSchema}, where there is a schema among the options of a codec. */
export function maybeWithSchema<T, I>(codec: Codec<unknown>, options: unknown, call: string): Codec<T, I> {
  const { schema, validate } = checked(options, { schema: checkSchema, validate: when }, call)
  if (schema !== undefined) return validated(codec, schema, validate ?? 'both') as Codec<T, I>
  if (validate !== undefined) throw invalidArgument('validate needs a schema')
  return codec as Codec<T, I>
}

function validated(codec: Codec<unknown>, schema: StandardSchema, validate: Validate): Codec<unknown> {
  const encode = (value: unknown) => codec.encode(value)
  const checkedEncode = (value: unknown) => {
    const made = conform(schema, value)
    // What reading will apply the schema to must be what it was given here.
    return codec.encode(validate === 'write' ? made : value)
  }
  const read = validate === 'write' ? (value: unknown) => value : (value: unknown) => conform(schema, value)
  return {
    encode: validate === 'read' ? encode : checkedEncode,
    decode: (payload) => read(codec.decode(payload)),
    ...(codec.decodeText === undefined
      ? {}
      : { decodeText: (text: string) => read(codec.decodeText!(text)) }),
  }
}

/** What the schema makes of a value. */
function conform(schema: StandardSchema, value: unknown): unknown {
  const result = schema['~standard'].validate(value)
  if (result instanceof Promise) {
    // Its outcome is of no use; a rejection that nobody listens to would end the process.
    result.catch(() => undefined)
    throw invalidArgument('the schema is asynchronous: a codec needs one that validates at once')
  }
  if (result.issues === undefined) return result.value
  throw invalidValue(`not as the schema says: ${describe(result.issues)}`, { issues: result.issues })
}

/** The first issues, in a line. */
function describe(issues: readonly SchemaIssue[]): string {
  const shown = issues.slice(0, 3).map(({ message, path = [] }) => {
    const keys = path.map((segment) => String(typeof segment === 'object' ? segment.key : segment))
    return keys.length === 0 ? message : `${keys.join('.')}: ${message}`
  })
  const more = issues.length - shown.length
  return more === 0 ? shown.join('; ') : `${shown.join('; ')}; and ${more} more`
}

function checkSchema(value: unknown, name: string): StandardSchema {
  // Some libraries' schemas are functions.
  const isObject = (typeof value === 'object' && value !== null) || typeof value === 'function'
  const standard = isObject ? (value as Partial<StandardSchema>)['~standard'] : undefined
  if (standard?.version === 1 && typeof standard.validate === 'function') return value as StandardSchema
  throw invalidArgument(`${name} must be a schema that follows Standard Schema, version 1`)
}

function when(value: unknown, name: string): Validate {
  if (value === 'write' || value === 'read' || value === 'both') return value
  throw invalidArgument(`${name} must be 'write', 'read' or 'both'`)
}

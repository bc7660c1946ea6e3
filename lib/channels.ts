import { checked, checkSeq, checkType } from './checks.ts'
import { checkCodec, encode, type Codec } from './codecs/codec.ts'
import { closed, invalidArgument, unknownType } from './errors.ts'
import type { Message } from './message.ts'
import type { ReadOptions, TailOptions } from './options.ts'
import { Reader } from './reader.ts'
import type { Home } from './source.ts'
import { Streamed } from './streams/streamed.ts'
import { check } from './tables.ts'
import { Tail } from './tail.ts'
import type { Decoding } from './value.ts'
import type { Waiting } from './waiting.ts'
import type { BatchResult, Writer } from './writer.ts'

/** The types of messages in a log, by name: each with its number, 0 to 65,535, and its codec. */
export type ChannelTable = Record<string, readonly [type: number, codec: Codec<unknown, never>]>

/** What a view does with a message whose type is not in its table: see {@link ChannelOptions.unknown}. */
export type Unlisted = 'throw' | 'include'

/** Options of {@link Chronicle.types}. */
export interface ChannelOptions<U extends Unlisted = Unlisted> {
  /**
   * What happens at a message whose type is not in the table. With `'throw'` its `name` and `value` throw `ERR_CHRONICLE_UNKNOWN_TYPE`,
   * because a program that passes over what it does not know loses messages of a newer writer in silence; the iteration itself goes on.
   * With `'include'` the union has one more member, whose `name` is `undefined` and whose `value` is the payload. Default: `'throw'`.
   */
  unknown?: U | undefined
}

type Names<C extends ChannelTable> = keyof C & string
type ValueOf<E> = E extends readonly [number, Codec<infer T, never>] ? T : never
type InputOf<E extends ChannelTable[string]> = Parameters<E[1]['encode']>[0]

/** A message of a view: its `name` says which type `value` has. */
export type ChannelMessage<C extends ChannelTable, U extends Unlisted = 'throw'> =
  | {
      [K in Names<C>]: Message<ValueOf<C[K]>> & {
        /** The name that the table gives to the message's type. */
        readonly name: K
      }
    }[Names<C>]
  | (U extends 'include'
      ? Message & {
          /** The table has no name for the message's type. */
          readonly name: undefined
        }
      : never)

/** What a view can append: a name, and a value of its type. */
export type ChannelItem<C extends ChannelTable> = {
  [K in Names<C>]: {
    /** The name of its type. */
    name: K
    /** What the codec of that type takes. */
    value: InputOf<C[K]>
  }
}[Names<C>]

/** Options of {@link Channels.append} and {@link Channels.appendBatch}. */
export interface ChannelAppendOptions {
  /** Append only if the first message gets this seq; otherwise throw `ERR_CHRONICLE_CONFLICT`. Default: whatever comes next. */
  expectedSeq?: number | undefined
}

interface Channel {
  name: string
  type: number
  codec: Codec<unknown>
}

/** What a view takes from its log. */
interface Ways {
  home: Home
  waiting: Waiting
  hasCodec: boolean
  writer: () => Writer
}

/**
 * A log in which each type of message has a name and a codec: made by {@link Chronicle.types}. Reading gives a union that `name`
 * tells apart.
 *
 * @example
 * ```ts
 * import { Chronicle, json } from 'chronicle-log'
 *
 * using log = Chronicle.open('./trading')
 * const events = log.types({
 *   order: [1, json<{ id: number; quantity: number }>()],
 *   fill: [2, json<{ order: number; price: number }>()],
 * })
 * events.append('order', { id: 7, quantity: 100 })
 * events.append('fill', { order: 7, price: 9.5 })
 * for (const event of events.read()) {
 *   if (event.name === 'order') console.log(event.value.quantity)
 *   else console.log(event.value.price)
 * }
 * ```
 */
export class Channels<C extends ChannelTable, U extends Unlisted = 'throw'> extends Streamed<
  ChannelMessage<C, U>,
  ChannelItem<C>
> {
  readonly #ways: Ways
  readonly #home: Home
  readonly #byName: ReadonlyMap<string, Channel>

  /** @internal */
  constructor(ways: Ways, table: C, options?: ChannelOptions<U>) {
    super()
    const { unknown = 'throw' } = checked(options, { unknown: unlisted }, 'types')
    if (ways.hasCodec) throw invalidArgument('types is for a chronicle that was opened without a codec')
    const channels = readTable(table)
    this.#ways = ways
    this.#byName = new Map(channels.map((channel) => [channel.name, channel]))
    this.#home = Object.create(ways.home, {
      decoding: { value: decodingOf(channels, unknown) },
    }) as Home
  }

  /**
   * Appends a value under the number of its type. Returns its seq.
   *
   * @throws {@link ChronicleError} as {@link Chronicle.append}.
   */
  append<K extends Names<C>>(name: K, value: InputOf<C[K]>, options?: ChannelAppendOptions): number {
    const { type, codec } = this.#channel(name, 'name')
    const { expectedSeq } = checked(options, { expectedSeq: checkSeq }, 'append')
    return this.#ways.writer().append(encode(codec, value, `the value of ${name}`), { type, expectedSeq })
  }

  /**
   * Appends values atomically, of any types.
   *
   * @param items - Objects of a name and a value, at least one.
   * @throws {@link ChronicleError} as {@link Chronicle.appendBatch}.
   */
  appendBatch(items: readonly ChannelItem<C>[], options?: ChannelAppendOptions): BatchResult {
    const { expectedSeq } = checked(options, { expectedSeq: checkSeq }, 'appendBatch')
    return this.#ways.writer().appendBatch(items, { expectedSeq }, (item, index) => {
      const { name, value } = (item ?? {}) as { name?: unknown; value?: unknown }
      const { type, codec } = this.#channel(name, `items[${index}].name`)
      return { payload: encode(codec, value, `items[${index}]`), type }
    })
  }

  /** As {@link Chronicle.read}. */
  read(options?: ReadOptions): Reader<ChannelMessage<C, U>> {
    const range = check('read', options)
    if (this.#home.closed) throw closed('chronicle')
    return new Reader(this.#home, range)
  }

  /** As {@link Chronicle.tail}. */
  tail(options?: TailOptions): Tail<ChannelMessage<C, U>> {
    return new Tail(this.#home, this.#ways.waiting, check('tail', options))
  }

  /** As {@link Chronicle.sync}. */
  async sync(): Promise<number> {
    return this.#ways.writer().sync()
  }

  #channel(name: unknown, what: string): Channel {
    const channel = this.#byName.get(name as string)
    if (channel !== undefined) return channel
    const names = [...this.#byName.keys()].join(', ')
    throw invalidArgument(
      `${what} must be one of ${names}, got ${typeof name === 'string' ? name : typeof name}`,
    )
  }
}

function unlisted(value: unknown, name: string): Unlisted {
  if (value === 'throw' || value === 'include') return value
  throw invalidArgument(`${name} must be 'throw' or 'include'`)
}

function readTable(table: unknown): Channel[] {
  if (typeof table !== 'object' || table === null || Array.isArray(table)) {
    throw invalidArgument('types takes an object of { name: [type, codec] }')
  }
  const numbers = new Map<number, string>()
  return Object.entries(table).map(([name, entry]: [string, unknown]) => {
    if (!Array.isArray(entry) || entry.length !== 2) {
      throw invalidArgument(`the entry of ${name} must be [type, codec]`)
    }
    const type = checkType(entry[0], `the type of ${name}`)
    const other = numbers.get(type)
    if (other !== undefined) throw invalidArgument(`${name} and ${other} have the same type ${type}`)
    numbers.set(type, name)
    return { name, type, codec: checkCodec(entry[1], `the codec of ${name}`) }
  })
}

function decodingOf(channels: readonly Channel[], unknown: Unlisted): Decoding {
  const byType = new Map(channels.map((channel) => [channel.type, channel]))
  const channelOf = (message: Message<unknown>): Channel | undefined => {
    const channel = byType.get(message.type)
    if (channel === undefined && unknown === 'throw') throw unknownType(message.type, message.seq)
    return channel
  }
  return {
    codecOf: (message) => channelOf(message)?.codec,
    nameOf: (message) => channelOf(message)?.name,
  }
}

import { refused, type Codec } from './codecs/codec.ts'
import type { Message } from './message.ts'
import type { Run } from './run.ts'

/** How the messages of a log become values. */
export interface Decoding {
  /** The codec of a message; none where its payload is its value. */
  codecOf(message: Message<unknown>): Codec<unknown> | undefined
  /** The name of a message's type, where types have names. */
  nameOf(message: Message<unknown>): string | undefined
}

/** One codec for every message. */
export function oneCodec(codec: Codec<unknown>): Decoding {
  return { codecOf: () => codec, nameOf: () => undefined }
}

/** The value of the message that stands at `index` in its run. It is kept there: a message has one value, however often one looks. */
export function valueOf(message: Message<unknown>, run: Run, index: number): unknown {
  const codec = run.decoding?.codecOf(message)
  if (codec === undefined) return message.payload
  const values = (run.values ??= [])
  const known = values[index]
  if (known !== undefined) return known
  try {
    const value =
      codec.decodeText === undefined ? codec.decode(message.payload) : codec.decodeText(message.text())
    values[index] = value
    return value
  } catch (error) {
    throw refused(error, `message ${message.seq} cannot be decoded`, { seq: message.seq })
  }
}

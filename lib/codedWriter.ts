import { encode, type Codec } from './codecs/codec.ts'
import type { NativeWriter } from './native.ts'
import type { AppendOptions, BatchOptions } from './options.ts'
import { Writer, type BatchResult, type Encode } from './writer.ts'

/** A writer of values. It is a class of its own so that a writer of payloads need not ask whether there is a codec. */
export class CodedWriter extends Writer {
  readonly #codec: Codec<unknown>
  readonly #encodeItem: Encode

  constructor(open: (control: Float64Array, stage: Uint8Array) => NativeWriter, codec: Codec<unknown>) {
    super(open)
    this.#codec = codec
    this.#encodeItem = (item, index) => encode(codec, item, `items[${index}]`)
  }

  override append(value: unknown, options: AppendOptions | undefined): number {
    return super.append(encode(this.#codec, value, 'the value'), options)
  }

  override appendBatch(items: readonly unknown[], options?: BatchOptions): BatchResult {
    return super.appendBatch(items, options, this.#encodeItem)
  }
}

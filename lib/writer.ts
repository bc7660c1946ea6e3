import { isSharedArrayBuffer, isUint8Array } from 'node:util/types'

import { checkSeq, checkType, refusePayload } from './checks.ts'
import { Claim } from './claim.ts'
import { fromNative, invalidArgument, tooLarge } from './errors.ts'
import type { NativeWriter } from './native.ts'
import type { AppendOptions, BatchItem, BatchOptions, Payload } from './options.ts'
import { check, refuseOption } from './tables.ts'

/** Payloads up to this many bytes are staged in memory that native code knows already, which takes less than looking at an array. */
const STAGE_BYTES = 512
/** The longest payload. */
const MAX_PAYLOAD = 2 ** 30
/** What the batch buffer begins with, and what it keeps between batches. */
const BATCH_BYTES = 64 << 10
const BATCH_KEPT_BYTES = 4 << 20
const BATCH_ITEMS = 512
/** The most that a batch may take. */
const MAX_BATCH = 2 ** 31

/** Doubles of the control block, by index. */
const LENGTH = 0
const TYPE = 1
const EXPECTED_SEQ = 2
const FIRST = 3
const LAST = 4
const CONTROL_LENGTH = 8

/** Stands for "no expected seq" in the control block. */
const NONE = -1

/** What an array really has: a class derived from Uint8Array may say something else. */
const lengthOf = intrinsic('length') as (this: Uint8Array) => number
const bufferOf = intrinsic('buffer') as (this: Uint8Array) => ArrayBufferLike

function intrinsic(name: 'length' | 'buffer'): unknown {
  return Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), name)?.get
}

/** Where a batch is put together: payloads end to end, lengths and types in pairs. */
interface BatchBuffer {
  bytes: Buffer
  table: Uint32Array
}

/** Makes an item of a batch a payload, or a payload with its type. */
export type Encode = (item: unknown, index: number) => Payload | BatchItem

/** What {@link Chronicle.appendBatch} returns. */
export interface BatchResult {
  /** The seq of the first message. */
  first: number
  /** The seq of the last message. */
  last: number
}

/** Puts arguments where native code looks for them, and calls it: one crossing for an append. */
export class Writer {
  readonly #native: NativeWriter
  readonly #control: Float64Array
  readonly #stage: Uint8Array
  readonly #append: () => void
  readonly #appendBytes: (payload: Uint8Array) => void
  readonly #appendString: (payload: string) => void
  readonly #appendBatch: (payloads: Uint8Array, table: Uint32Array, count: number) => void
  #batch: BatchBuffer | undefined
  #flush: Promise<number> | undefined
  #queued: Promise<number> | undefined

  /** `open` takes the lock. Control block and stage are shared memory because that cannot be detached under native code. */
  constructor(open: (control: Float64Array, stage: Uint8Array) => NativeWriter) {
    this.#control = new Float64Array(new SharedArrayBuffer(CONTROL_LENGTH * 8))
    this.#stage = new Uint8Array(new SharedArrayBuffer(STAGE_BYTES))
    this.#control[EXPECTED_SEQ] = NONE
    this.#native = open(this.#control, this.#stage)
    const calls = this.#native.calls()
    this.#append = calls.append
    this.#appendBytes = calls.appendBytes
    this.#appendString = calls.appendString
    this.#appendBatch = calls.appendBatch
  }

  append(payload: Payload, options: AppendOptions | undefined): number {
    const control = this.#control
    if (options === undefined) {
      control[TYPE] = 0
      control[EXPECTED_SEQ] = NONE
    } else {
      readOptions(control, options)
    }
    try {
      if (typeof payload === 'string') this.#appendString(payload)
      else if (isUint8Array(payload)) this.#appendArray(payload)
      else refusePayload(payload, 'payload')
    } catch (error) {
      throw fromNative(error)
    }
    return control[FIRST]!
  }

  /** With `encode`, items are what it makes payloads of. */
  appendBatch(items: readonly unknown[], options?: BatchOptions, encode?: Encode): BatchResult {
    const { type = 0, expectedSeq = NONE } = check('appendBatch', options)
    if (!Array.isArray(items)) {
      const what = encode === undefined ? 'payloads or { payload, type }' : 'values'
      throw invalidArgument(`items must be an array of ${what}`)
    }
    if (items.length === 0) throw invalidArgument('items must hold at least one message')
    // Taken away while items are read: a getter among them may append a batch of its own.
    const batch = this.#batch ?? { bytes: Buffer.alloc(BATCH_BYTES), table: new Uint32Array(BATCH_ITEMS * 2) }
    this.#batch = undefined
    const count = stage(batch, items, type, encode)
    const control = this.#control
    control[EXPECTED_SEQ] = expectedSeq
    try {
      this.#appendBatch(batch.bytes, batch.table, count)
    } catch (error) {
      throw fromNative(error)
    } finally {
      if (batch.bytes.length <= BATCH_KEPT_BYTES) this.#batch = batch
    }
    return { first: control[FIRST]!, last: control[LAST]! }
  }

  claim(home: { readonly closed: boolean }, length: number): Claim {
    return new Claim(home, this.#native, length)
  }

  /** Flushes. A call that comes while a flush runs waits for the next one, with all others that do. */
  sync(): Promise<number> {
    if (this.#queued !== undefined) return this.#queued
    const before = this.#flush ?? Promise.resolve()
    const start = () => {
      this.#flush = this.#queued
      this.#queued = undefined
      return this.#sync()
    }
    this.#queued = before.then(start, start)
    return this.#queued
  }

  close(): void {
    this.#native.close()
  }

  #appendArray(payload: Uint8Array): void {
    const length = lengthOf.call(payload)
    if (length <= STAGE_BYTES) {
      this.#control[LENGTH] = length
      setBytes(this.#stage, payload, 0)
      this.#append()
      return
    }
    if (length > MAX_PAYLOAD) throw payloadTooLarge(length)
    // Another thread may write to shared memory at any time: what is appended must be what was checksummed.
    this.#appendBytes(isSharedArrayBuffer(bufferOf.call(payload)) ? new Uint8Array(payload) : payload)
  }

  async #sync(): Promise<number> {
    try {
      const settled = await this.#native.sync()
      if (typeof settled === 'number') return settled
      throw settled
    } catch (error) {
      throw fromNative(error)
    }
  }
}

/** What `check('append', options)` does, without an allocation. */
function readOptions(control: Float64Array, options: AppendOptions): void {
  if (typeof options !== 'object' || options === null) check('append', options)
  let type = 0
  let expectedSeq = NONE
  for (const name in options) {
    if (name === 'type') {
      const value = options.type
      if (value !== undefined) type = checkType(value, name)
    } else if (name === 'expectedSeq') {
      const value = options.expectedSeq
      if (value !== undefined) expectedSeq = checkSeq(value, name)
    } else refuseOption('append', name)
  }
  control[TYPE] = type
  control[EXPECTED_SEQ] = expectedSeq
}

function payloadTooLarge(length: number): Error {
  return tooLarge(`a payload of ${length} bytes is longer than ${MAX_PAYLOAD}`)
}

function setBytes(target: Uint8Array, payload: Uint8Array, offset: number): void {
  try {
    target.set(payload, offset)
  } catch (error) {
    if (error instanceof TypeError) throw invalidArgument('payload must not lie in a detached ArrayBuffer')
    throw error
  }
}

/** Checks each item and puts it into the buffer. Returns how many there are. */
function stage(
  batch: BatchBuffer,
  items: readonly unknown[],
  batchType: number,
  encode: Encode | undefined,
): number {
  const count = items.length
  if (batch.table.length < count * 2) batch.table = new Uint32Array(count * 2)
  const { table } = batch
  let at = 0
  for (let index = 0; index < count; index++) {
    const item = encode === undefined ? items[index] : encode(items[index], index)
    let length: number
    let type = batchType
    if (typeof item === 'string') length = putText(batch, at, item)
    else if (isUint8Array(item)) length = putBytes(batch, at, item)
    else {
      const checked = readItem(item, index)
      type = checked.type ?? batchType
      length =
        typeof checked.payload === 'string'
          ? putText(batch, at, checked.payload)
          : putBytes(batch, at, checked.payload)
    }
    table[index * 2] = length
    table[index * 2 + 1] = type
    at += length
  }
  return count
}

function readItem(item: unknown, index: number): BatchItem {
  const name = `items[${index}]`
  if (typeof item !== 'object' || item === null) return refusePayload(item, name)
  for (const key in item) {
    if (key !== 'payload' && key !== 'type')
      throw invalidArgument(`${name} has no field ${JSON.stringify(key)}`)
  }
  const { payload, type } = item as { payload?: unknown; type?: unknown }
  if (typeof payload !== 'string' && !isUint8Array(payload)) return refusePayload(payload, `${name}.payload`)
  return { payload, type: type === undefined ? type : checkType(type, `${name}.type`) }
}

function putBytes(batch: BatchBuffer, at: number, payload: Uint8Array): number {
  const length = lengthOf.call(payload)
  if (length > MAX_PAYLOAD) throw payloadTooLarge(length)
  if (length > batch.bytes.length - at) grow(batch, at, length)
  setBytes(batch.bytes, payload, at)
  return length
}

function putText(batch: BatchBuffer, at: number, payload: string): number {
  let room = payload.length * 3
  if (room > batch.bytes.length - at) {
    room = Buffer.byteLength(payload)
    if (room > MAX_PAYLOAD) throw payloadTooLarge(room)
    if (room > batch.bytes.length - at) grow(batch, at, room)
  }
  return batch.bytes.write(payload, at, 'utf8')
}

/** Makes room for `more` bytes behind the `used` ones. */
function grow(batch: BatchBuffer, used: number, more: number): void {
  const needed = used + more
  if (needed > MAX_BATCH) throw tooLarge(`the payloads of a batch take more than ${MAX_BATCH} bytes`)
  const bytes = Buffer.alloc(Math.min(MAX_BATCH, Math.max(needed, batch.bytes.length * 2)))
  bytes.set(batch.bytes.subarray(0, used))
  batch.bytes = bytes
}

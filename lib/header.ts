import { unshared } from './bytes.ts'
import { invalidArgument, native } from './errors.ts'
import { crc32, decodeHeader, encodeHeader, type NativeHeader } from './native.ts'
import { check } from './tables.ts'

/** Bytes of a header. */
const HEADER_BYTES = 64
const VALID = 1
const END = 2

/** The fields of a new {@link MessageHeader}. */
export interface MessageHeaderFields {
  /** The message's number, 0 to 2^53 - 1. Default: `0`. */
  seq?: number | undefined
  /** Nanoseconds since the Unix epoch, 0 to 2^64 - 1. Default: `0n`. */
  timestampNs?: bigint | undefined
  /** Payload bytes, 0 to 1 GiB. Default: `0`. */
  length?: number | undefined
  /** CRC-32 of the payload. Default: `0`, which is that of no bytes. */
  checksum?: number | undefined
  /** The message's type, 0 to 65,535. Default: `0`. */
  type?: number | undefined
  /** Whether the message is published. Default: `false`. */
  valid?: boolean | undefined
  /** Whether the segment ends here. Default: `false`. */
  end?: boolean | undefined
  /** How many messages of the same batch follow, 0 to 2^32 - 1. Default: `0`. */
  batchRemaining?: number | undefined
  /** The number of the writer's opening, 0 to 2^32 - 1. Default: `0`. */
  epoch?: number | undefined
}

/**
 * The 64 bytes in front of every payload, as `docs/FORMAT.md` describes them.
 *
 * @example
 * ```ts
 * import { MessageHeader } from 'chronicle-log'
 *
 * const payload = Buffer.from('hello')
 * const header = new MessageHeader({ seq: 7, length: payload.length, checksum: MessageHeader.crc32(payload) })
 * const read = MessageHeader.decode(header.encode())
 * console.log(read.seq, read.validates(payload))
 * ```
 */
export class MessageHeader {
  /** The message's number. */
  readonly seq: number
  /** Nanoseconds since the Unix epoch. */
  readonly timestampNs: bigint
  /** Payload bytes. */
  readonly length: number
  /** CRC-32 of the payload. */
  readonly checksum: number
  /** The message's type. */
  readonly type: number
  /** Whether the message is published. */
  readonly valid: boolean
  /** Whether the segment ends here. */
  readonly end: boolean
  /** How many messages of the same batch follow. */
  readonly batchRemaining: number
  /** The number of the writer's opening. */
  readonly epoch: number

  /** @throws {@link ChronicleError} `ERR_CHRONICLE_INVALID_ARGUMENT` for a field out of its range. */
  constructor(fields?: MessageHeaderFields) {
    const checked = check('MessageHeader', fields)
    this.seq = checked.seq ?? 0
    this.timestampNs = checked.timestampNs ?? 0n
    this.length = checked.length ?? 0
    this.checksum = checked.checksum ?? 0
    this.type = checked.type ?? 0
    this.valid = checked.valid ?? false
    this.end = checked.end ?? false
    this.batchRemaining = checked.batchRemaining ?? 0
    this.epoch = checked.epoch ?? 0
  }

  /** The length of an encoded header: 64 bytes. */
  static readonly bytes = HEADER_BYTES

  /**
   * Reads a header and checks it: header checksum, flags, reserved bytes and limits.
   *
   * @throws {@link ChronicleError} `ERR_CHRONICLE_CORRUPT` when the checksum is wrong, `ERR_CHRONICLE_UNSUPPORTED_FEATURE` for a
   * bit that this version does not know, `ERR_CHRONICLE_OUT_OF_BOUNDS` for a value above its limit,
   * `ERR_CHRONICLE_INVALID_ARGUMENT` when `bytes` are not 64 bytes.
   */
  static decode(bytes: Uint8Array): MessageHeader {
    const given = unshared(bytes)
    if (given.length !== HEADER_BYTES)
      throw invalidArgument(`bytes must be ${HEADER_BYTES} bytes, got ${given.length}`)
    const read = native(() => decodeHeader(given))
    return new MessageHeader({
      seq: read.seq,
      timestampNs: read.timestampNs,
      length: read.length,
      checksum: read.checksum,
      type: read.typeId,
      valid: (read.flags & VALID) !== 0,
      end: (read.flags & END) !== 0,
      batchRemaining: read.batchRemaining,
      epoch: read.epoch,
    })
  }

  /**
   * The CRC-32 (ISO-HDLC, as in zlib) of some bytes: `0x3610a686` for `hello`.
   *
   * @throws {@link ChronicleError} `ERR_CHRONICLE_INVALID_ARGUMENT` when `bytes` is no Uint8Array.
   */
  static crc32(bytes: Uint8Array): number {
    return native(() => crc32(unshared(bytes)))
  }

  /** The 64 bytes, with the checksum of the header computed. */
  encode(): Uint8Array {
    const fields: NativeHeader = {
      seq: this.seq,
      timestampNs: this.timestampNs,
      length: this.length,
      checksum: this.checksum,
      typeId: this.type,
      flags: (this.valid ? VALID : 0) | (this.end ? END : 0),
      batchRemaining: this.batchRemaining,
      epoch: this.epoch,
    }
    return native(() => encodeHeader(fields))
  }

  /** Whether `payload` has the length and the checksum that this header says. */
  validates(payload: Uint8Array): boolean {
    return payload.length === this.length && MessageHeader.crc32(payload) === this.checksum
  }
}

import { crc32 } from 'node:zlib'

import test from 'ava'

import { MessageHeader, type Chronicle } from '../index.ts'
import { SEGMENT_HEADER, bytesAt, segment } from './helpers/files.ts'
import { refuses, refusesArgument } from './helpers/refusal.ts'
import { fresh } from './helpers/temporary.ts'

test('crc32 is that of zlib', (t) => {
  t.is(MessageHeader.crc32(Buffer.from('hello')), 0x3610a686)
  t.is(MessageHeader.crc32(new Uint8Array(0)), 0)
  const bytes = Uint8Array.from({ length: 10_000 }, (_, index) => (index * 7) & 255)
  t.is(MessageHeader.crc32(bytes.subarray(1, 9999)), crc32?.(bytes.subarray(1, 9999)) ?? 0)
  const shared = new Uint8Array(new SharedArrayBuffer(5))
  shared.set(Buffer.from('hello'))
  t.is(MessageHeader.crc32(shared), 0x3610a686)
  for (const value of ['hello', null, undefined, new Uint16Array(2), new ArrayBuffer(2), [1]]) {
    refusesArgument(
      t,
      () => MessageHeader.crc32(value as unknown as Uint8Array),
      /bytes must be a Uint8Array/,
    )
  }
})

test('a header survives its 64 bytes, at the ends of each range', (t) => {
  const all = [
    {},
    { seq: 2 ** 53 - 1, timestampNs: 2n ** 64n - 1n, length: 2 ** 30, checksum: 2 ** 32 - 1, type: 65_535 },
    { valid: true, end: true, batchRemaining: 2 ** 32 - 1, epoch: 2 ** 32 - 1 },
    {
      seq: 7,
      timestampNs: 1_700_000_000_123_456_789n,
      length: 5,
      checksum: 0x3610a686,
      type: 300,
      valid: true,
    },
  ]
  for (const fields of all) {
    const header = new MessageHeader(fields)
    const bytes = header.encode()
    t.is(bytes.length, MessageHeader.bytes)
    t.deepEqual({ ...MessageHeader.decode(bytes) }, { ...header })
    for (const [name, value] of Object.entries(fields))
      t.is(header[name as keyof MessageHeader], value as never)
  }
})

test('the fields lie where the format says', (t) => {
  const header = new MessageHeader({
    seq: 0x0102_0304_0506,
    timestampNs: 0x1112_1314_1516_1718n,
    length: 0x2122_2324,
    checksum: 0x3132_3334,
    type: 0x4142,
    valid: true,
    batchRemaining: 0x5152_5354,
    epoch: 0x6162_6364,
  })
  const bytes = Buffer.from(header.encode())
  t.is(bytes.readBigUInt64LE(0), 0x0102_0304_0506n)
  t.is(bytes.readBigUInt64LE(8), 0x1112_1314_1516_1718n)
  t.is(bytes.readUInt32LE(16), 0x2122_2324)
  t.is(bytes.readUInt32LE(20), 0x3132_3334)
  t.is(bytes.readUInt16LE(24), 0x4142)
  t.is(bytes[26], 1)
  t.is(bytes[27], 0)
  t.is(bytes.readUInt32LE(28), 0x5152_5354)
  t.is(bytes.readUInt32LE(32), 0x6162_6364)
  t.true(bytes.subarray(36, 60).every((byte) => byte === 0))
  bytes[26]! &= ~1
  t.is(bytes.readUInt32LE(60), MessageHeader.crc32(bytes.subarray(0, 60)))
})

test('decode finds every flipped bit but VALID, and bytes that are no header', (t) => {
  const good = new MessageHeader({ seq: 1, length: 5, checksum: 9 }).encode()
  for (let bit = 0; bit < 512; bit++) {
    const bytes = good.slice()
    bytes[bit >> 3]! ^= 1 << (bit & 7)
    if (bit === 26 * 8) t.true(MessageHeader.decode(bytes).valid)
    else refuses(t, () => MessageHeader.decode(bytes), 'ERR_CHRONICLE_CORRUPT')
  }
  for (const length of [0, 63, 65])
    refusesArgument(t, () => MessageHeader.decode(new Uint8Array(length)), /64 bytes/)
  refusesArgument(t, () => MessageHeader.decode('x' as unknown as Uint8Array), /Uint8Array/)
})

test('validates compares length and checksum', (t) => {
  const payload = Buffer.from('hello')
  const header = new MessageHeader({ length: 5, checksum: MessageHeader.crc32(payload) })
  t.true(header.validates(payload))
  t.false(header.validates(Buffer.from('hellp')))
  t.false(header.validates(Buffer.from('hell')))
})

test('the header of an appended message can be decoded from its file', (t) => {
  const log: Chronicle = fresh(t)
  log.append('hello', { type: 7 })
  const header = MessageHeader.decode(bytesAt(segment(log.path), SEGMENT_HEADER, 64))
  t.like(header, { seq: 0, length: 5, type: 7, checksum: 0x3610a686, valid: true, end: false, epoch: 1 })
  t.true(header.validates(bytesAt(segment(log.path), SEGMENT_HEADER + 64, 5)))
  t.is([...log.read()][0]!.timestampNs, header.timestampNs)
})

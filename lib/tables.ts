import {
  MAX_MS,
  checkCount,
  checkName,
  checkSeq,
  checkType,
  checked,
  flag,
  from,
  milliseconds,
  nanoseconds,
  place,
  refuse,
  refuseUnknown,
  signal,
  to,
  whole,
  type Check,
  type Checked,
  type NativeFrom,
} from './checks.ts'
import { checkCodec } from './codecs/codec.ts'
import { checkOnCorruption as onCorruption } from './corruption.ts'

function segmentBytes(value: unknown, name: string): number {
  const fits = typeof value === 'number' && value >= 65_536 && value <= 2 ** 32 && value % 4096 === 0
  return fits ? value : refuse(name, 'a multiple of 4096 from 65536 to 4294967296', value)
}

function mode(value: unknown, name: string): number {
  const fits = typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0o777
  return fits && (value & 0o600) === 0o600
    ? value
    : refuse(name, 'permission bits from 0o600 to 0o777 with 0o600 among them', value)
}

const syncTable = { everyMs: whole(1, MAX_MS) } satisfies Record<string, Check>

/** Milliseconds between flushes: 0 for each append, none for never. */
function sync(value: unknown, name: string): { everyMs: number | undefined } {
  if (value === 'none') return { everyMs: undefined }
  if (value === 'always') return { everyMs: 0 }
  if (typeof value !== 'object' || value === null) {
    return refuse(name, `'none', 'always' or { everyMs }`, value)
  }
  const { everyMs } = checked(value, syncTable, name, `${name}.`)
  return everyMs === undefined
    ? refuse(`${name}.everyMs`, `a whole number from 1 to ${MAX_MS}`, everyMs)
    : { everyMs }
}

function resumable(value: unknown, name: string): NativeFrom | 'resume' {
  return value === 'resume' ? value : from(value, name)
}

const retentionTable = {
  keepBytes: checkCount,
  keepMs: checkCount,
  keepMessages: checkCount,
  keepUnread: flag,
}

function retention(value: unknown, name: string): Checked<typeof retentionTable> {
  return checked(value, retentionTable, name, `${name}.`)
}

/** Every option of every call, with its check. */
export const tables = {
  open: {
    create: flag,
    readOnly: flag,
    segmentBytes,
    mode,
    sync,
    allowNetworkFs: flag,
    retention,
    codec: checkCodec,
  },
  prune: { ...retentionTable, dryRun: flag },
  acquire: { wait: milliseconds },
  append: { type: checkType, expectedSeq: checkSeq },
  appendBatch: { type: checkType, expectedSeq: checkSeq },
  publish: { type: checkType },
  read: { from, to, limit: checkCount, durableOnly: flag, payload: place, reverse: flag, onCorruption },
  cursor: { from, to, limit: checkCount, durableOnly: flag, payload: place, onCorruption },
  next: { wait: milliseconds },
  tail: {
    from: resumable,
    name: checkName,
    newFrom: from,
    durableOnly: flag,
    payload: place,
    onCorruption,
    signal,
    keepAlive: flag,
  },
  durable: { signal },
  MessageHeader: {
    seq: checkSeq,
    timestampNs: nanoseconds,
    length: whole(0, 2 ** 30),
    checksum: whole(0, 2 ** 32 - 1),
    type: checkType,
    valid: flag,
    end: flag,
    batchRemaining: whole(0, 2 ** 32 - 1),
    epoch: whole(0, 2 ** 32 - 1),
  },
} satisfies Record<string, Record<string, Check>>

/** Refuses an option that a call does not have. */
export function refuseOption(call: keyof typeof tables, name: string): never {
  refuseUnknown(name, tables[call], call)
}

/** The checked options of a call. What was not given is not there. */
export function check<K extends keyof typeof tables>(call: K, options: unknown): Checked<(typeof tables)[K]> {
  return checked(options, tables[call], call) as Checked<(typeof tables)[K]>
}

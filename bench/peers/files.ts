import { closeSync, createWriteStream, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs'
import { once } from 'node:events'

import type { Payload } from '../payloads.ts'
import { GROUP, type Way } from './store.ts'

/** The least that a file needs to be a log of messages of any length: the length before each. */
const PREFIX = 4

function framed(payload: Payload): Buffer {
  if (typeof payload === 'string') {
    const bytes = Buffer.allocUnsafe(PREFIX + Buffer.byteLength(payload))
    bytes.writeUInt32LE(bytes.write(payload, PREFIX))
    return bytes
  }
  const bytes = Buffer.allocUnsafe(PREFIX + payload.length)
  bytes.writeUInt32LE(payload.length)
  bytes.set(payload, PREFIX)
  return bytes
}

function read(path: string, see: (payload: Payload) => void): void {
  const bytes = readFileSync(path)
  for (let at = 0; at < bytes.length;) {
    const end = at + PREFIX + bytes.readUInt32LE(at)
    see(bytes.subarray(at + PREFIX, end))
    at = end
  }
}

/** `messages` are gathered before the stream asks to wait; 0 leaves it at its default. */
function stream(messages: number): Way {
  return async (dir, _text, size) => {
    const path = `${dir}/stream`
    const file = createWriteStream(path, messages > 0 ? { highWaterMark: messages * (size + PREFIX) } : {})
    return {
      async write(payloads) {
        for (let index = 0; index < payloads.length; index++) {
          if (!file.write(framed(payloads[index]!))) await once(file, 'drain')
        }
        await new Promise<void>((resolve) => file.write('', () => resolve()))
      },
      read: (see) => read(path, see),
      close: () => new Promise((resolve) => file.end(() => resolve())),
    }
  }
}

function direct(flush: boolean): Way {
  return async (dir) => {
    const path = `${dir}/file`
    const file = openSync(path, 'a')
    return {
      write(payloads) {
        for (const payload of payloads) {
          writeSync(file, framed(payload))
          if (flush) fsyncSync(file)
        }
      },
      read: (see) => read(path, see),
      close: () => closeSync(file),
    }
  }
}

export const ways = { stream: stream(0), grouped: stream(GROUP), each: direct(false), durable: direct(true) }

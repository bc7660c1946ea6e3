import { createWriteStream, fsyncSync, openSync, readFileSync, writeSync, closeSync } from 'node:fs'
import { once } from 'node:events'

import type { Payload } from '../payloads.ts'
import type { Way } from './store.ts'

/** Bare payloads, without the framing that a log of its own would need: all have one length. */
function read(path: string, length: number, see: (payload: Payload) => void): void {
  const bytes = readFileSync(path)
  for (let at = 0; at < bytes.length; at += length) see(bytes.subarray(at, at + length))
}

const stream: Way = async (dir) => {
  const path = `${dir}/stream`
  const file = createWriteStream(path, { highWaterMark: 1 << 20 })
  let length = 1
  return {
    async write(payloads) {
      length = payloads[0]!.length
      for (let index = 0; index < payloads.length; index++) {
        if (!file.write(payloads[index]!)) await once(file, 'drain')
      }
      await new Promise<void>((resolve) => file.write('', () => resolve()))
    },
    read: (see) => read(path, length, see),
    close: () => new Promise((resolve) => file.end(() => resolve())),
  }
}

function direct(flush: boolean): Way {
  return async (dir) => {
    const path = `${dir}/file`
    const file = openSync(path, 'a')
    let length = 1
    return {
      write(payloads) {
        length = payloads[0]!.length
        for (const payload of payloads) {
          if (typeof payload === 'string') writeSync(file, payload)
          else writeSync(file, payload)
          if (flush) fsyncSync(file)
        }
      },
      read: (see) => read(path, length, see),
      close: () => closeSync(file),
    }
  }
}

export const ways = { stream, each: direct(false), durable: direct(true) }

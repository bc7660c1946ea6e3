import type { Message } from '../index.ts'

import type { Output } from './output.ts'
import { recordOf } from './record.ts'
import { isoTime } from './time.ts'

export const formats = ['text', 'json', 'ndjson', 'hex', 'raw'] as const
export type Format = (typeof formats)[number]

export const formatHelp = [
  'Formats: text, a line of seq, time, type and payload with control characters as escapes;',
  'ndjson, a line of JSON for each message, as "export" writes; json, all of them as one array;',
  'hex, the bytes in hexadecimal; raw, the bytes alone, each message followed by a line feed.',
]

/** Writes messages in a format. `message` answers whether it is time to flush. */
export interface Writer {
  message(message: Message): boolean
  end(): void
}

export function writerOf(format: Format, out: Output, newline: boolean): Writer {
  const end = () => undefined
  switch (format) {
    case 'text':
      return { message: (message) => out.text(textLine(message, out)), end }
    case 'ndjson':
      return { message: (message) => out.text(`${JSON.stringify(recordOf(message))}\n`), end }
    case 'json':
      return arrayWriter(out)
    case 'hex':
      return { message: (message) => writeHex(message, out), end }
    case 'raw':
      return {
        message: (message) => {
          const full = out.bytes(message.payload)
          return newline ? out.text('\n') : full
        },
        end,
      }
  }
}

function arrayWriter(out: Output): Writer {
  let before = '[\n  '
  return {
    message: (message) => {
      const full = out.text(`${before}${JSON.stringify(recordOf(message))}`)
      before = ',\n  '
      return full
    },
    end: () => out.text(before === '[\n  ' ? '[]\n' : '\n]\n'),
  }
}

/** Seq, time and type, which stand before a payload. */
function label({ seq, timestampNs, type }: Message, { style }: Output): string {
  const time = isoTime(timestampNs).replace(/\d{6}Z$/, 'Z')
  return `${style.cyan(String(seq))} ${style.dim(time)} ${style.yellow(String(type))}`
}

// What would move the cursor, start a new line or turn the direction of writing round.
const control = /[\p{Cc}\u2028\u2029\u202A-\u202E\u2066-\u2069]/gu
const shortEscapes: Record<string, string> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

/** Text that stays on its line and does nothing to a terminal. */
export function visible(text: string): string {
  return text.replace(
    control,
    (sign) => shortEscapes[sign] ?? `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

function textLine(message: Message, out: Output): string {
  return `${label(message, out)} ${visible(message.text())}\n`
}

const HEX_WIDTH = 16

function writeHex(message: Message, out: Output): boolean {
  const bytes = Buffer.from(message.payload)
  let full = out.text(`${label(message, out)} ${out.style.dim(`${bytes.length} bytes`)}\n`)
  for (let at = 0; at < bytes.length; at += HEX_WIDTH) {
    const line = bytes.subarray(at, at + HEX_WIDTH)
    const hex = line
      .toString('hex')
      .replace(/..(?!$)/g, '$& ')
      .padEnd(HEX_WIDTH * 3 - 1)
    const signs = line.toString('latin1').replace(/[^ -~]/g, '.')
    full = out.text(`${at.toString(16).padStart(8, '0')}  ${hex}  |${signs}|\n`)
  }
  return full
}

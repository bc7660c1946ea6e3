import { grouped } from './numbers.ts'
import { agrees, type Comparison } from './verdict.ts'

/** A line of the table: what, and its value. */
export type Line = readonly [name: string, value: string]

/** The lines of sums: the source's first, then who must agree with it. */
export function sumLines({ expected, read }: Comparison, colours: boolean): Line[] {
  return [
    [expected.of, `${expected.sha256}  ${grouped(expected.rows)} ${expected.rows === 1 ? 'row' : 'rows'}`],
    ...read.map((digest): Line => {
      const word = agrees(expected, digest) ? paint('agrees', '32', colours) : paint('DIFFERS', '31', colours)
      return [digest.of, `${digest.sha256}  ${word}`]
    }),
  ]
}

/** Whether to use colours on a stream. */
export function hasColours(stream: NodeJS.WriteStream): boolean {
  return stream.isTTY === true && !process.env['NO_COLOR'] && process.env['TERM'] !== 'dumb'
}

function paint(text: string, colour: string, colours: boolean): string {
  return colours ? `\x1b[${colour}m${text}\x1b[0m` : text
}

/** The lines with their values under each other. */
export function table(lines: readonly Line[]): string {
  const width = Math.max(...lines.map(([name]) => name.length))
  return lines.map(([name, value]) => `${name.padEnd(width)}  ${value}\n`).join('')
}

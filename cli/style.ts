/** Colours, or nothing where the stream is no terminal. */
export interface Style {
  bold(text: string): string
  dim(text: string): string
  red(text: string): string
  green(text: string): string
  yellow(text: string): string
  cyan(text: string): string
}

/** Whether colours are wanted: FORCE_COLOR and NO_COLOR come before what the stream is, as in Node.js itself. */
function colourful(stream: { isTTY?: boolean }): boolean {
  const { FORCE_COLOR: force, NO_COLOR: no, TERM: term } = process.env
  if (force !== undefined) return force !== '0' && force !== 'false'
  if (no !== undefined && no !== '') return false
  return stream.isTTY === true && term !== 'dumb'
}

/** The style for what goes to a stream. */
export function styleFor(stream: { isTTY?: boolean }): Style {
  const on = colourful(stream)
  const paint = (open: number, close: number) => (text: string) =>
    on ? `\u001B[${open}m${text}\u001B[${close}m` : text
  return {
    bold: paint(1, 22),
    dim: paint(2, 22),
    red: paint(31, 39),
    green: paint(32, 39),
    yellow: paint(33, 39),
    cyan: paint(36, 39),
  }
}

/** A whole number with its thousands set apart. */
export function grouped(value: number): string {
  return value.toLocaleString('en-US')
}

/** A number of things, with the plural where it belongs. */
export function many(count: number, noun: string, plural = `${noun}s`): string {
  return `${grouped(count)} ${count === 1 ? noun : plural}`
}

/** Bytes with the unit that leaves a number one can read. */
export function bytes(count: number): string {
  const units = ['KiB', 'MiB', 'GiB', 'TiB']
  let [value, unit] = [count, 'B']
  for (const next of units) {
    if (value < 1024) break
    value /= 1024
    unit = next
  }
  return unit === 'B' ? many(count, 'byte') : `${value.toFixed(1)} ${unit}`
}

/** So many a second. */
export function rate(count: number, ms: number): string {
  return ms <= 0 ? '-' : `${grouped(Math.round((count / ms) * 1000))}/s`
}

/** Lines of cells in columns; all but the first column stand on the right where `right` names them. */
export function columns(rows: readonly (readonly string[])[], right: readonly number[] = []): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0
        return right.includes(column) ? cell.padStart(width) : cell.padEnd(width)
      })
      .join('  ')
      .trimEnd()
  return rows.map((row) => `${line(row)}\n`).join('')
}

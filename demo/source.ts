import { createReadStream } from 'node:fs'
import { open, readFile, stat } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { addAbortSignal } from 'node:stream'
import { getSystemErrorMap } from 'node:util'

import { RowSum, withoutRows } from './rows.ts'

/**
 * The largest data set of the package that needs no reader of its own: 200,000 flights in JSON. (3,000,000 more are there as
 * Parquet, and the same 200,000 as Arrow.)
 */
const DATA_SET = 'flights-200k.json'

/** The input is not there or not fit: the user's to mend. */
export class InputError extends Error {}

/** What is recorded: a file of rows, and what was read from the source itself on the way there. */
export interface Source {
  name: string
  /** A file that can be read again and again. */
  path: string
  rows: number
  sha256: string
  /** The row in the middle, where one follower begins, and the sum of the rows from there on. */
  middle: number
  restSha256: string
}

/** Reads a file, `-` for standard input, or the data set where there is no argument. What cannot be read twice is kept in `folder`. */
export async function readSource(
  argument: string | undefined,
  folder: string,
  signal: AbortSignal,
): Promise<Source> {
  const spool = { path: join(folder, 'rows'), copy: true }
  if (argument === undefined) return take(`${DATA_SET} of vega-datasets`, dataSet(), spool, signal)
  if (argument === '-') return take('standard input', addAbortSignal(signal, process.stdin), spool, signal)
  // npm runs scripts in the folder of the package; the name is relative to the folder that npm was called in.
  const path = resolve(process.env['INIT_CWD'] ?? '.', argument)
  try {
    const isRegular = (await stat(path)).isFile()
    const to = isRegular ? { path, copy: false } : spool
    return await take(basename(path), createReadStream(path, { signal }), to, signal)
  } catch (error) {
    throw refused(argument, error)
  }
}

async function take(
  name: string,
  chunks: AsyncIterable<Uint8Array>,
  { path, copy }: { path: string; copy: boolean },
  signal: AbortSignal,
): Promise<Source> {
  const sum = new RowSum()
  const file = copy ? await open(path, 'wx') : undefined
  try {
    for await (const chunk of chunks) {
      sum.add(chunk)
      await file?.writeFile(chunk)
    }
  } catch (error) {
    throw error instanceof RangeError ? new InputError(`${name}: ${error.message}`) : error
  } finally {
    await file?.close()
  }
  const sha256 = sum.end()
  const { rows } = sum
  const middle = Math.floor(rows / 2)
  const rest = new RowSum()
  for await (const chunk of withoutRows(middle, createReadStream(path, { signal }))) rest.add(chunk)
  return { name, path, rows, sha256, middle, restSha256: rest.end() }
}

/** The rows of the data set, each as its JSON. */
async function* dataSet(): AsyncGenerator<Uint8Array, void> {
  const file = new URL(`../data/${DATA_SET}`, import.meta.resolve('vega-datasets'))
  const rows: unknown = JSON.parse(await readFile(file, 'utf8'))
  if (!Array.isArray(rows)) throw new InputError(`${DATA_SET} holds no array of rows`)
  const slice = 4096
  for (let at = 0; at < rows.length; at += slice) {
    const texts = rows.slice(at, at + slice).map((row) => `${JSON.stringify(row)}\n`)
    yield Buffer.from(texts.join(''))
  }
}

function refused(argument: string, error: unknown): unknown {
  if (!(error instanceof Error) || !('errno' in error)) return error
  const [, text] = getSystemErrorMap().get(Number(error.errno)) ?? []
  return text === undefined ? error : new InputError(`cannot read ${argument}: ${text}`)
}

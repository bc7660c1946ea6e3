import { parseArgs } from 'node:util'

import type { Command, Options, Values } from './command.ts'
import { UsageError } from './errors.ts'

/** What was typed behind the name of a command. */
export interface Parsed<O extends Options> {
  readonly args: string[]
  readonly options: Values<O>
  readonly help: boolean
}

/** Reads a command line by the table; refuses by name what the command does not have. */
export function parse<O extends Options>(command: Command<O>, argv: readonly string[]): Parsed<O> {
  const known = Object.entries(command.options).map(([name, option]) => [
    name,
    { type: option.value === undefined ? 'boolean' : 'string', ...(option.short && { short: option.short }) },
  ])
  const { tokens } = parseArgs({
    args: [...argv],
    options: { ...Object.fromEntries(known), help: { type: 'boolean', short: 'h' } },
    allowPositionals: true,
    strict: false,
    tokens: true,
  })
  const args: string[] = []
  const options: Record<string, unknown> = {}
  let help = false
  let number: number | undefined
  for (const token of tokens) {
    const typed = argv[token.index] ?? ''
    if (token.kind === 'positional') args.push(token.value)
    else if (token.kind === 'option' && /^-\d+$/.test(typed)) {
      // A place before the end is an argument; it has been taken for an option a digit.
      if (number !== token.index) args.push(typed)
      number = token.index
    } else if (token.kind !== 'option') continue
    else if (token.name === 'help') help = true
    else options[token.name] = valueOf(command, token)
  }
  if (!help) checkCount(command, args)
  return { args, options: options as Values<O>, help }
}

function valueOf(
  command: Command,
  token: { name: string; rawName: string; value?: string | undefined },
): unknown {
  const { name, rawName, value } = token
  const option = Object.hasOwn(command.options, name) ? command.options[name] : undefined
  if (option === undefined) {
    const names = Object.keys(command.options).map((known) => `--${known}`)
    throw new UsageError(`${command.name} has no option ${rawName}${suggestion(rawName, names)}`)
  }
  if (option.value === undefined) {
    if (value !== undefined) throw new UsageError(`${rawName} takes no value, got ${JSON.stringify(value)}`)
  } else if (value === undefined) {
    throw new UsageError(`${rawName} must have a value: ${rawName} ${option.value}`)
  }
  return option.parse(value ?? '', rawName)
}

function checkCount(command: Command, args: readonly string[]): void {
  const [least, most] = command.args
  const usage = `chronicle ${command.name} ${command.usage}`
  if (args.length < least) throw new UsageError(`an argument is missing: ${usage}`)
  if (args.length > most) {
    throw new UsageError(`there is an argument too many, ${JSON.stringify(args[most])}: ${usage}`)
  }
}

/** Asks whether the nearest of the known words was meant, where one is near. */
export function suggestion(typed: string, known: readonly string[]): string {
  const near = known
    .map((word) => ({ word, far: distance(typed, word) }))
    .filter(({ word, far }) => far <= Math.max(1, Math.floor(word.length / 3)))
    .toSorted((a, b) => a.far - b.far)[0]
  return near === undefined ? '' : `; did you mean ${near.word}?`
}

/** How many letters must be put in, taken out, changed or swapped to make one word of the other. */
function distance(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, index) => index)]
  const at = (i: number, j: number) => rows[i]![j]!
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    rows.push(row)
    for (let j = 1; j <= b.length; j++) {
      const change = at(i - 1, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1)
      const swaps = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      row.push(Math.min(change, at(i - 1, j) + 1, row[j - 1]! + 1, swaps ? at(i - 2, j - 2) + 1 : Infinity))
    }
  }
  return at(a.length, b.length)
}

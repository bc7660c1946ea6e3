import type { Output } from './output.ts'

/** An option of a command: what parsing, help and completion know of it. */
export interface Option<T> {
  /** What stands for its value in help; a flag has none. */
  readonly value?: string
  readonly short?: string
  readonly help: string
  /** The values that there are, for completion. */
  readonly choices?: readonly string[]
  /** Makes a value of what was typed, or throws a {@link UsageError} that names the option. */
  readonly parse: (text: string, name: string) => T
}

// Commands of different options stand in one table, so nothing narrower fits all of them.
export type Options = Readonly<Record<string, Option<unknown>>>

/** The values of options; what was not given is not there. */
export type Values<O extends Options> = {
  [K in keyof O]?: O[K] extends Option<infer T> ? T : never
}

/** What a command runs with. */
export interface Call<O extends Options> {
  readonly args: readonly string[]
  readonly options: Values<O>
  readonly out: Output
}

/** 0 when it went well, 1 when it failed or found a problem, 2 when the command line is wrong. */
export type ExitCode = number

export interface Command<O extends Options = Options> {
  readonly name: string
  /** The arguments as help shows them. */
  readonly usage: string
  /** How many arguments it takes, at least and at most. */
  readonly args: readonly [least: number, most: number]
  /** Words that an argument can be, for completion; otherwise it is a path. */
  readonly words?: readonly string[]
  readonly summary: string
  /** What help says below the summary. */
  readonly about: readonly string[]
  readonly options: O
  /** Command lines, each with what it does. */
  readonly examples: readonly (readonly [line: string, what: string])[]
  run(call: Call<O>): ExitCode | Promise<ExitCode>
}

/** Lets the compiler see which options a command's `run` gets. */
export function command<const O extends Options>(definition: Command<O>): Command<O> {
  return definition
}

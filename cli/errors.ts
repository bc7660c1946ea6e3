import { ChronicleError, errorCodes, type ChronicleErrorCode } from '../index.ts'

import type { ExitCode } from './command.ts'
import { many, type Style } from './style.ts'

/** The command line is wrong: nothing was done. */
export class UsageError extends Error {
  /** The command whose help tells more. */
  command: string | undefined
}

/** The command could not do what it was asked. */
export class Failure extends Error {
  readonly hint: string | undefined

  constructor(message: string, hint?: string) {
    super(message)
    this.hint = hint
  }
}

/** A failure in the middle of work whose first part stays done. */
export class PartlyDone extends Error {
  readonly done: string

  /** One line of input is one message, so what was appended says where to go on. */
  constructor(cause: unknown, messages: number) {
    super('partly done', { cause })
    this.done = `Appended so far: ${many(messages, 'message')}. Go on with line ${messages + 1}.`
  }
}

/** What to do next, where the facade's advice speaks of calls and not of commands. */
const hints: { [K in ChronicleErrorCode]?: string } = {
  ERR_CHRONICLE_NOT_FOUND: 'Check the path and the name; "chronicle append DIR" makes a new chronicle.',
  ERR_CHRONICLE_LOCKED: 'Wait for it with --wait 10s, where the command has it, or end that process.',
  ERR_CHRONICLE_READ_ONLY: 'Write with the version of chronicle-log that made it.',
  ERR_CHRONICLE_NETWORK_FS:
    'Use a local disk, or --allow-network-fs where this host alone uses the directory.',
  ERR_CHRONICLE_NO_SPACE: 'Make room and run the command again with what was not appended.',
  ERR_CHRONICLE_POISONED: 'Look at the disk, then append again what is not there.',
}

const seeDamage =
  '"chronicle verify DIR" shows all of it; "chronicle repair DIR" cuts it off and keeps a copy.'

function hintFor(error: ChronicleError): string {
  const { code, first } = error
  if (error.damage) return `${errorCodes[code]}\n${seeDamage}`
  if (code === 'ERR_CHRONICLE_GAP' && first !== undefined) {
    return `Go on with --from ${first}; a named reader with "chronicle readers DIR set NAME ${first}".`
  }
  return hints[code] ?? errorCodes[code]
}

/** What is said on standard error of a failure, and the exit code that goes with it. */
export function explain(error: unknown, style: Style): { text: string; code: ExitCode } {
  const say = (message: string, hint: string | undefined, code: ExitCode) => {
    const lines = [`${style.red('chronicle:')} ${message}`, ...(hint === undefined ? [] : [style.dim(hint)])]
    return { text: `${lines.join('\n')}\n`, code }
  }
  if (error instanceof PartlyDone) {
    const { text, code } = explain(error.cause, style)
    return { text: `${text}${style.dim(error.done)}\n`, code }
  }
  if (error instanceof UsageError) {
    const help = error.command === undefined ? 'chronicle --help' : `chronicle ${error.command} --help`
    return say(error.message, `"${help}" tells more.`, 2)
  }
  if (error instanceof Failure) return say(error.message, error.hint, 1)
  if (error instanceof ChronicleError) {
    const refused = error.code === 'ERR_CHRONICLE_INVALID_ARGUMENT'
    return say(`${error.message} (${error.code})`, hintFor(error), refused ? 2 : 1)
  }
  if (error instanceof Error && 'code' in error && error.code === 'ERR_STRING_TOO_LONG') {
    return say('a message is too long to be shown as text', '--format raw shows it as it is.', 1)
  }
  if (error instanceof Error && 'syscall' in error) return say(error.message, undefined, 1)
  // A fault of this program: the stack is what a report of it needs.
  return say(error instanceof Error ? (error.stack ?? error.message) : String(error), undefined, 1)
}

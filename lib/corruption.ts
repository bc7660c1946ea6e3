import { invalidArgument, type ChronicleError } from './errors.ts'

/** Messages that a reader went past because they cannot be read. */
export interface Skipped {
  /** The seq of the first of them. */
  readonly from: number
  /** The seq that reading goes on with: one more than the last of them. */
  readonly to: number
  /** What is wrong there. */
  readonly error: ChronicleError
}

/**
 * What a reader does that meets damage: `'throw'` the error, at each call; or go past it. Then a function is told of the messages
 * that were skipped, and `'skip'` tells them by a warning of the process with the code `CHRONICLE_SKIPPED`.
 */
export type OnCorruption = 'throw' | 'skip' | ((skipped: Skipped) => void)

/** What every call that reads forward takes. */
export interface CorruptionOptions {
  /** What to do at damage: see {@link OnCorruption}. Only `'throw'` with `reverse`. Default: `'throw'`. */
  onCorruption?: OnCorruption | undefined
}

/** Checks an option. */
export function checkOnCorruption(value: unknown, name: string): OnCorruption {
  if (value === 'throw' || value === 'skip') return value
  if (typeof value !== 'function') throw invalidArgument(`${name} must be 'throw', 'skip' or a function`)
  return value as OnCorruption
}

function warn({ from, to, error }: Skipped): void {
  process.emitWarning(`messages ${from} to ${to - 1} were skipped: ${error.message}`, {
    type: 'ChronicleWarning',
    code: 'CHRONICLE_SKIPPED',
  })
}

/** Who is told of what is skipped; nobody where damage is thrown. */
export function told(onCorruption: OnCorruption | undefined): ((skipped: Skipped) => void) | undefined {
  if (onCorruption === 'skip') return warn
  return onCorruption === 'throw' ? undefined : onCorruption
}

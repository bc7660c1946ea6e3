import type { ExecutionContext } from 'ava'

import { ChronicleError, type ChronicleErrorCode } from '../../index.ts'

/** Expects a call to throw a ChronicleError with this code, whose message matches, and returns it. */
export function refuses(
  t: ExecutionContext,
  call: () => unknown,
  code: ChronicleErrorCode,
  message: RegExp = /./,
): ChronicleError {
  const error = t.throws(call, { instanceOf: ChronicleError, message })
  t.is(error?.code, code, error?.message)
  return error!
}

/** Expects a promise to reject with a ChronicleError with this code, and returns it. */
export async function rejects(
  t: ExecutionContext,
  promise: PromiseLike<unknown>,
  code: ChronicleErrorCode,
): Promise<ChronicleError> {
  const error = await t.throwsAsync(promise, { instanceOf: ChronicleError })
  t.is(error?.code, code, error?.message)
  return error!
}

/** Refused as an argument, by name. */
export function refusesArgument(t: ExecutionContext, call: () => unknown, message: RegExp): void {
  refuses(t, call, 'ERR_CHRONICLE_INVALID_ARGUMENT', message)
}

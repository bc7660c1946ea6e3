import { aborted } from '../errors.ts'

/** Calls `end` with the error of an aborted signal, now or later, until the returned function is called. */
export function onAbort(signal: AbortSignal | undefined, end: (error: Error) => void): () => void {
  if (signal === undefined) return () => undefined
  const abort = () => end(aborted(signal.reason))
  if (signal.aborted) abort()
  else signal.addEventListener('abort', abort, { once: true })
  return () => signal.removeEventListener('abort', abort)
}

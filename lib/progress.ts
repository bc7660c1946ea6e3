import { refuse, signal, type Check } from './checks.ts'
import { aborted, fromNative } from './errors.ts'
import { NativeProgress } from './native.ts'

/** How often the progress of work on another thread is looked at. */
const LOOK_MS = 100

/** How far work on another thread is. Totals grow where a writer adds segments meanwhile. */
export interface WorkProgress {
  /** Segment files that are done. */
  segments: number
  /** Segment files in all. */
  totalSegments: number
  /** Bytes of segment files that are done. */
  bytes: number
  /** Bytes of segment files in all, as long as they are: 0 only before the work begins. */
  totalBytes: number
}

/** Options of work on another thread. */
export interface WorkOptions {
  /** Called every 100 ms, and once at the end. What it throws ends the work, and rejects the promise. */
  onProgress?: ((progress: WorkProgress) => void) | undefined
  /** Ends the work: the promise rejects with `ERR_CHRONICLE_ABORTED`, named "AbortError", with the signal's reason as cause. */
  signal?: AbortSignal | undefined
}

/** Checks a function. */
export function callback<T>(value: unknown, name: string): (argument: T) => void {
  return typeof value === 'function' ? (value as (argument: T) => void) : refuse(name, 'a function', value)
}

export const workTable = { onProgress: callback<WorkProgress>, signal } satisfies Record<string, Check>

/** Throws where the signal was aborted. */
export function refuseAborted(abort: AbortSignal | undefined): void {
  if (abort?.aborted === true) throw aborted(abort.reason)
}

/** Runs work on another thread, which settles with its failure as a value. */
export async function watched<T>(
  start: (progress: NativeProgress) => Promise<T | Error>,
  { onProgress, signal: abort }: WorkOptions,
): Promise<T> {
  refuseAborted(abort)
  const progress = new NativeProgress()
  const stop = () => progress.stop()
  let thrown: { error: unknown } | undefined
  const look = () => {
    try {
      if (thrown === undefined) onProgress?.(progress.look())
    } catch (error) {
      thrown = { error }
      stop()
    }
  }
  abort?.addEventListener('abort', stop)
  const timer = onProgress === undefined ? undefined : setInterval(look, LOOK_MS)
  try {
    const result = await start(progress)
    if (!(result instanceof Error)) look()
    if (thrown !== undefined) throw thrown.error
    if (!(result instanceof Error)) return result
    const failure = fromNative(result)
    throw stoppedBy(abort, failure) ? aborted(abort.reason) : failure
  } finally {
    clearInterval(timer)
    abort?.removeEventListener('abort', stop)
  }
}

function stoppedBy(abort: AbortSignal | undefined, failure: unknown): abort is AbortSignal {
  const code = failure instanceof Error && 'code' in failure ? failure.code : undefined
  return abort?.aborted === true && code === 'ERR_CHRONICLE_ABORTED'
}

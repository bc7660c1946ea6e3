import { invalidArgument } from './errors.ts'
import type { NativeRetention } from './native.ts'
import type { Retention } from './options.ts'

/** What a prune keeps, as the binding takes it. To keep nothing in particular is no reason to remove anything. */
export function limits(keep: Retention, call: string): NativeRetention {
  const { keepBytes, keepMs, keepMessages, keepUnread } = keep
  if (keepBytes === undefined && keepMs === undefined && keepMessages === undefined && keepUnread !== true) {
    throw invalidArgument(`${call} must have keepBytes, keepMs, keepMessages or keepUnread: true`)
  }
  return {
    keepUnread: keepUnread ?? true,
    ...(keepBytes === undefined ? {} : { keepBytes }),
    ...(keepMs === undefined ? {} : { keepMs }),
    ...(keepMessages === undefined ? {} : { keepMessages }),
  }
}

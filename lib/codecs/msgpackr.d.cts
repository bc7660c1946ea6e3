import type * as msgpackr from 'msgpackr'

/** Loads the optional package `msgpackr`, or throws what `missing` makes of the failure. */
export function load(missing: (cause: unknown) => Error): typeof msgpackr

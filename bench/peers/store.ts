import { createRequire } from 'node:module'
import { resolve } from 'node:path'

import type { Payload } from '../payloads.ts'

/** What every contender offers: the least that a log needs. */
export interface Store {
  /** Appends the payloads in order. Resolves when all of them would survive the end of the process. */
  write(payloads: readonly Payload[]): void | Promise<void>
  /** Hands out every payload from the start, in order. */
  read(see: (payload: Payload) => void): void | Promise<void>
  close(): void | Promise<void>
}

/** Opens an empty store in a folder; `text` when its payloads are strings; `size` is how long they usually are. */
export type Way = (dir: string, text: boolean, size: number) => Promise<Store>

/** Messages that a peer may put into one transaction or batch; ours makes each visible by itself. */
export const GROUP = 1000

/** The groups of `payloads`, with the index of their first one. */
export function* groups<T>(payloads: readonly T[], size = GROUP): Generator<[number, readonly T[]]> {
  for (let at = 0; at < payloads.length; at += size) yield [at, payloads.slice(at, at + size)]
}

const require = createRequire(resolve('bench/package.json'))

/** A package of `bench/node_modules`. Its types are no part of the type check, which so needs no peer installed. */
export function load<T>(name: string): T {
  return require(name) as T
}

import { channel } from 'node:diagnostics_channel'

import type { ChronicleError, ChronicleErrorCode } from './errors.ts'
import type { NativeChronicle, NativeEvent } from './native.ts'
import type { Recovery } from './stats.ts'

/** Published to `chronicle-log:roll`: appending goes on in a new segment. */
export interface RollEvent {
  /** The directory of the chronicle. */
  path: string
  /** The seq of the first message of the new segment. */
  baseSeq: number
  /** The length in bytes of its file. */
  bytes: number
}

/** Published to `chronicle-log:recovery`: this handle has taken the writer lock. */
export interface RecoveryEvent {
  /** The directory of the chronicle. */
  path: string
  /** What it found and mended. */
  recovery: Recovery
}

/** Published to `chronicle-log:prune`: segments were removed through this handle, by a call or at a roll. */
export interface PruneEvent {
  /** The directory of the chronicle. */
  path: string
  /** How many segments; not there where the prune failed. */
  segments?: number
  /** The bytes that they took on the disk. */
  bytes?: number
  /** The first seq that is left. */
  firstSeq?: number
  /** Why a prune at a roll failed: the next roll tries again. */
  failure?: string
}

/** Published to `chronicle-log:sync`: this handle has flushed, for whomever. */
export interface SyncEvent {
  /** The directory of the chronicle. */
  path: string
  /** Every message below this survives a power cut; not there where the flush failed. */
  durableSeq?: number
  /** How long the flush took, in milliseconds. */
  ms?: number
  /** Why it failed: the writer is poisoned, and the chronicle has to be opened again. */
  failure?: string
}

/** Published to `chronicle-log:gap`: a reader asked for messages that were pruned. */
export interface GapEvent {
  /** The directory of the chronicle. */
  path: string
  /** The seq that was asked for. */
  seq: number
  /** The first seq that is left. */
  first: number
}

/** Published to `chronicle-log:corruption`: a call met damage, and fails for it. Each call that meets it publishes it again. */
export interface CorruptionEvent {
  /** The code of the error. */
  code: ChronicleErrorCode
  /** What it says. */
  message: string
  /** The damaged file. */
  path: string
  /** The byte offset in it, where that is known. */
  offset?: number
  /** The message, where that is known. */
  seq?: number
}

/**
 * What each channel of `node:diagnostics_channel` publishes. A channel that nobody has subscribed to costs nothing, and nothing
 * is done on the way of an append.
 *
 * Rolls, prunes and flushes happen on native threads and are published in a later turn of the event loop. Whether anybody
 * listens to them is looked at when a chronicle is opened and when it takes the writer lock: subscribe before. While 1,024 of them
 * wait for the event loop, further ones are dropped.
 *
 * @example
 * ```ts
 * import { subscribe } from 'node:diagnostics_channel'
 * import type { DiagnosticsEvents } from 'chronicle-log'
 *
 * subscribe('chronicle-log:roll', (event) => {
 *   const { path, baseSeq } = event as DiagnosticsEvents['chronicle-log:roll']
 *   console.log(`${path} goes on in a segment that starts at ${baseSeq}`)
 * })
 * ```
 */
export interface DiagnosticsEvents {
  /** The writer went on to a new segment. */
  'chronicle-log:roll': RollEvent
  /** The writer lock was taken, and what a crash left is mended. */
  'chronicle-log:recovery': RecoveryEvent
  /** Old segments were removed, or could not be. */
  'chronicle-log:prune': PruneEvent
  /** Messages were flushed, or could not be. */
  'chronicle-log:sync': SyncEvent
  /** A reader asked for messages that were pruned. */
  'chronicle-log:gap': GapEvent
  /** A reader or a writer met damage. */
  'chronicle-log:corruption': CorruptionEvent
}

const roll = channel('chronicle-log:roll')
const recovery = channel('chronicle-log:recovery')
const prune = channel('chronicle-log:prune')
const sync = channel('chronicle-log:sync')
const gap = channel('chronicle-log:gap')
const corruption = channel('chronicle-log:corruption')

const native = { roll, prune, sync }

/** The files that a chronicle has: an error of a {@link MmapFile} speaks of any other. */
const ours = /[\\/](control|\d{20}\.(seg|idx)|readers[\\/][^\\/]+)$/

/** Publishes what one opening of a chronicle does. */
export class Events {
  readonly #path: string
  readonly #opened: NativeChronicle
  #listening = false

  constructor(path: string, opened: NativeChronicle) {
    this.#path = path
    this.#opened = opened
    this.listen()
  }

  /** Asks native code to tell of its work, where somebody has subscribed to it. */
  listen(): void {
    if (this.#listening || !Object.values(native).some(({ hasSubscribers }) => hasSubscribers)) return
    this.#listening = true
    const path = this.#path
    // Held by native code for as long as the chronicle is: it must not hold the chronicle in turn.
    this.#opened.observe(({ kind, ...event }: NativeEvent) => {
      if (native[kind].hasSubscribers) native[kind].publish({ path, ...event })
    })
  }

  /** The writer lock was taken. */
  recovered(): void {
    if (!recovery.hasSubscribers) return
    recovery.publish({ path: this.#path, recovery: this.#opened.stats().recovery })
  }
}

/** An error of native code is about to be thrown. */
export function tellOfError(error: ChronicleError): void {
  const { code, message, path, offset, seq, first } = error
  if (code === 'ERR_CHRONICLE_GAP') {
    if (gap.hasSubscribers) gap.publish({ path, seq, first })
  } else if (corruption.hasSubscribers && error.damage && path !== undefined && ours.test(path)) {
    const where = { ...(offset === undefined ? {} : { offset }), ...(seq === undefined ? {} : { seq }) }
    corruption.publish({ code, message, path, ...where })
  }
}

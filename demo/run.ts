import { Chronicle } from '../index.ts'
import { until } from './child.ts'
import { Following } from './following.ts'
import { grouped } from './numbers.ts'
import { Recording } from './recording.ts'
import { NEWLINE, RowSum } from './rows.ts'
import type { Source } from './source.ts'
import type { Comparison, Digest } from './verdict.ts'

/** The late follower starts when this part of the rows is recorded, and reads from the middle. */
const LATE = 0.6

/** What the parts of a run share. */
export interface Scene {
  source: Source
  /** The log, open for reading: how far it goes is read from shared memory. */
  log: Chronicle
  /** Aborted when the run is to end early. */
  signal: AbortSignal
  /** Tells the user what has happened. */
  note: (text: string) => void
}

/** One run: a recorder, a live follower and a late one at work together. */
export class Run {
  readonly recording: Recording
  readonly live: Following
  readonly late: Following
  readonly #scene: Scene

  constructor(scene: Scene) {
    this.#scene = scene
    this.recording = new Recording(scene)
    this.live = new Following(scene, 'live', 0)
    this.late = new Following(scene, 'late', scene.source.middle)
  }

  /** How far everybody is. */
  get status(): string {
    const { source, log } = this.#scene
    const places = [`recorded ${grouped(log.nextSeq)} of ${grouped(source.rows)}`]
    places.push(`live at ${grouped(this.live.row)}`)
    if (this.late.ready) places.push(`late at ${grouped(this.late.row)}`)
    return places.join(', ')
  }

  /** Resolves when all rows were recorded, followed and read again, with what is to be compared. */
  async finish(): Promise<Comparison[]> {
    const { source, log } = this.#scene
    const [live, late] = await Promise.all([this.live.finish(), this.#joinLate(), this.#record()])
    const all: Digest = { of: source.name, rows: source.rows, sha256: source.sha256 }
    const rest: Digest = {
      of: `rows from ${grouped(source.middle)} on`,
      rows: source.rows - source.middle,
      sha256: source.restSha256,
    }
    return [
      {
        expected: all,
        read: [
          { of: 'followed live', ...live },
          { of: 'read after reopening', ...readAgain(log.path) },
        ],
      },
      { expected: rest, read: [{ of: 'followed late', ...late }] },
    ]
  }

  async #record(): Promise<void> {
    await until(() => this.live.ready, this.#scene.signal)
    await this.recording.finish()
  }

  async #joinLate(): Promise<{ rows: number; sha256: string }> {
    const { source, log, signal, note } = this.#scene
    await until(() => log.nextSeq >= Math.floor(source.rows * LATE), signal)
    note(
      `the late follower starts at row ${grouped(log.nextSeq)}, to read from row ${grouped(source.middle)}`,
    )
    return this.late.finish()
  }
}

/** Reads the log from its first row through a handle that saw nothing of the recording. */
function readAgain(dir: string): { rows: number; sha256: string } {
  const log = Chronicle.open(dir, { readOnly: true })
  const sum = new RowSum()
  const newline = Uint8Array.of(NEWLINE)
  for (const message of log.read({ from: 'start' })) {
    sum.add(message.payload)
    sum.add(newline)
  }
  log.close()
  const sha256 = sum.end()
  return { rows: sum.rows, sha256 }
}

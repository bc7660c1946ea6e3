import { Child } from './child.ts'
import type { RecorderMessage } from './link.ts'
import { between, grouped, nanoseconds, record } from './numbers.ts'
import type { Scene } from './run.ts'

/** How often the recorder is killed. */
const KILLS = 3
const AIM_MS = 10

/** Has the rows recorded by one process after the other: each is killed but the last. */
export class Recording {
  /** How long appends took, as far as the recorders could tell before they were killed. */
  readonly appendNs = nanoseconds()
  /** How much of each of these times is the clock's own. */
  clockNs = 0
  kills = 0
  readonly #scene: Scene

  constructor(scene: Scene) {
    this.#scene = scene
  }

  /** Resolves once every row is in the log. */
  async finish(): Promise<void> {
    const { rows } = this.#scene.source
    const places = Array.from({ length: KILLS }, () => between(rows * 0.05, rows * 0.9))
    for (const place of places.toSorted((a, b) => a - b)) await this.#killedAt(place)
    const last = await this.#start('finish')
    await last.finish()
  }

  async #killedAt(row: number): Promise<void> {
    const { log, signal, note } = this.#scene
    const recorder = await this.#start('until killed')
    await recorder.until(() => log.nextSeq >= row, signal)
    await recorder.killSoon(signal, () => this.#awaitRow())
    this.kills++
    note(`the recorder is killed at row ${grouped(log.nextSeq)}`)
  }

  /** Looks without a pause until a row comes: a kill between two turns of the recorder would interrupt nothing. */
  #awaitRow(): void {
    const { log } = this.#scene
    const before = log.nextSeq
    const deadline = performance.now() + AIM_MS
    while (log.nextSeq === before && performance.now() < deadline);
  }

  async #start(task: 'finish' | 'until killed'): Promise<Child> {
    const { log, source, signal, note } = this.#scene
    const before = log.nextSeq
    let first: number | undefined
    const heed = (message: unknown): void => {
      const { ready, appendNs } = message as RecorderMessage
      if (appendNs !== undefined) record(this.appendNs, appendNs)
      if (ready !== undefined) {
        this.clockNs = ready.clockNs
        first = ready.row
      }
    }
    const args = [log.path, source.path, source.rows, task]
    const recorder = new Child('recorder.ts', args, heed, signal)
    await recorder.until(() => first !== undefined, signal)
    // Every row that was seen in the log is there still, and nothing came from nowhere.
    if (first !== before) throw new Error(`the log went to row ${before}; the recorder found ${first}`)
    if (first > 0) note(`another recorder goes on at row ${grouped(first)}`)
    return recorder
  }
}

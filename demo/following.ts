import { Child } from './child.ts'
import type { FollowerMessage } from './link.ts'
import { between, grouped, nanoseconds, record } from './numbers.ts'
import { RowSum } from './rows.ts'
import type { Scene } from './run.ts'

/**
 * Has the log followed under a name by one process, which is killed at a random moment, and then by another, which resumes by
 * the name. Their rows are summed up here: a sum cannot be handed from a killed process to the next.
 */
export class Following {
  readonly handOffNs = nanoseconds()
  kills = 0
  /** How many rows came again after the kill, and were dropped. */
  repeated = 0
  readonly #scene: Scene
  readonly #name: string
  readonly #from: number
  readonly #sum = new RowSum()
  #ready = false

  constructor(scene: Scene, name: string, from: number) {
    this.#scene = scene
    this.#name = name
    this.#from = from
  }

  /** The row behind the last that was received. */
  get row(): number {
    return this.#from + this.#sum.rows
  }

  /** Whether a process follows, or has. */
  get ready(): boolean {
    return this.#ready
  }

  /** Resolves with the sum of the rows once the last of them was received. */
  async finish(): Promise<{ rows: number; sha256: string }> {
    const { source, log, signal, note } = this.#scene
    const left = source.rows - this.#from
    const place = this.#from + between(left * 0.1, left * 0.9)
    const killed = this.#start('until killed')
    await killed.until(() => this.#ready && this.row >= place, signal)
    await killed.killSoon(signal)
    this.kills++
    // A row that was cut off by the kill was not committed, and comes again.
    this.#sum.drop()
    note(`the ${this.#name} follower is killed at row ${grouped(this.row)}`)
    await this.#start('finish').finish()
    const reader = log.readers().find(({ name }) => name === this.#name)
    if (reader?.nextSeq !== source.rows)
      throw new Error(`the name ${this.#name} stands at ${reader?.nextSeq}`)
    const sha256 = this.#sum.end()
    return { rows: this.#sum.rows, sha256 }
  }

  #start(task: 'finish' | 'until killed'): Child {
    const { log, source, signal, note } = this.#scene
    const args = [log.path, this.#name, this.#from, this.row, source.rows, task]
    const heed = (message: unknown): void => {
      const { ready, handOffNs, repeated = 0 } = message as FollowerMessage
      if (ready !== undefined) {
        this.#ready = true
        if (this.kills > 0) note(`another resumes as ${this.#name} at row ${grouped(ready.row)}`)
      }
      this.repeated += repeated
      if (handOffNs !== undefined) record(this.handOffNs, handOffNs)
    }
    return new Child('follower.ts', args, heed, signal, (chunk) => this.#sum.add(chunk))
  }
}

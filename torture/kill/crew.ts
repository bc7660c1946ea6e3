import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

import type { SyncOption } from '../../index.ts'

const peer = fileURLToPath(new URL('peer.mjs', import.meta.url))

/** What a process is to do. */
export type Role =
  | { role: 'write'; dir: string; told: string; sync: SyncOption; seed: number; life: number }
  | { role: 'tail'; dir: string; seed: number; from: number | 'start' | 'end' }
  | { role: 'commit'; dir: string; told: string; seed: number; name: string }
  | { role: 'prune'; dir: string; keepMessages: number }

/** A process with a role, which ends by being killed and in no other way. */
export class Member {
  readonly child: ChildProcess
  readonly exit: Promise<{ code: number | null; signal: string | null }>
  role: Role | undefined
  #stderr = ''
  #ended = false

  readonly #point: string | undefined

  /** `point` is a place in the core at which it ends itself, where the native part is built with such places. */
  constructor(point: string | undefined) {
    this.#point = point
    const env = point === undefined ? process.env : { ...process.env, CHRONICLE_FAULT: point }
    // Without what runs this process: peers are plain JavaScript.
    this.child = fork(peer, [], { env, execArgv: [], stdio: ['ignore', 'inherit', 'pipe', 'ipc'] })
    this.child.stderr!.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text))
    this.exit = once(this.child, 'close').then(([code, signal]) => {
      this.#ended = true
      return { code, signal }
    })
  }

  /** Gives it its role and waits until it has begun. */
  async begin(role: Role): Promise<void> {
    this.role = role
    const ready = new Promise<void>((resolve) => {
      this.child.on('message', (message: { ready?: boolean }) => {
        if (message.ready === true) resolve()
      })
    })
    this.child.send(role, () => undefined)
    await Promise.race([ready, this.exit])
  }

  /** Kills it so that nothing of it runs any more. Returns why it ended, where that was by itself. */
  async kill(): Promise<string | undefined> {
    const alive = !this.#ended
    this.child.kill('SIGKILL')
    const { code, signal } = await this.exit
    if (signal === 'SIGABRT' && this.#point !== undefined && this.#stderr === '') return undefined
    return alive && signal === 'SIGKILL' ? undefined : `code ${code}, signal ${signal}: ${this.#stderr}`
  }
}

/** Processes that have started and wait for a role, so that starting one costs no time when it is needed. */
export class Crew {
  readonly #waiting: Member[] = []
  readonly #point: () => string | undefined

  constructor(size: number, point: () => string | undefined) {
    this.#point = point
    for (let count = 0; count < size; count++) this.#waiting.push(new Member(point()))
  }

  next(): Member {
    this.#waiting.push(new Member(this.#point()))
    return this.#waiting.shift()!
  }

  async dismiss(): Promise<void> {
    await Promise.all(this.#waiting.map((member) => member.kill()))
  }
}

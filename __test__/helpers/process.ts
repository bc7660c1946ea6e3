import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, rmSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import type { ExecutionContext } from 'ava'

const peer = fileURLToPath(new URL('peer.ts', import.meta.url))

/** Another process that does a task of `peer.ts`, and is killed at the latest when the test ends. */
export class Peer {
  readonly child: ChildProcess
  readonly exit: Promise<{ code: number | null; signal: string | null }>
  readonly #dir: string
  readonly #messages: unknown[] = []

  constructor(t: ExecutionContext, task: string, dir: string, ...rest: number[]) {
    this.#dir = dir
    rmSync(`${dir}.acknowledged`, { force: true })
    this.child = fork(peer, [task, dir, ...rest.map(String)])
    this.child.on('message', (message) => this.#messages.push(message))
    this.exit = once(this.child, 'close').then(([code, signal]) => ({ code, signal }))
    t.teardown(() => this.child.kill('SIGKILL'))
  }

  get pid(): number {
    return this.child.pid!
  }

  /** The next message that it sends, or an error where it ends instead. */
  async message<T>(): Promise<T> {
    const ended = this.exit.then(() => undefined)
    while (this.#messages.length === 0) {
      const ending = await Promise.race([once(this.child, 'message'), ended])
      if (ending === undefined) break
    }
    if (this.#messages.length === 0) throw new Error('the process ended without a message')
    return this.#messages.shift() as T
  }

  /** How many messages it has appended and told of before it was killed, or -1 where it told nothing yet. */
  get acknowledged(): number {
    const path = `${this.#dir}.acknowledged`
    if (!existsSync(path) || statSync(path).size < 8) return -1
    return Number(readFileSync(path).readBigUInt64LE(0))
  }

  /** Kills it so that nothing of it runs any more. */
  async kill(): Promise<void> {
    this.child.kill('SIGKILL')
    await this.exit
  }
}

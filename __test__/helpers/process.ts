import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

import type { ExecutionContext } from 'ava'

const peer = fileURLToPath(new URL('peer.ts', import.meta.url))

/** Another process that does a task of `peer.ts`, and is killed at the latest when the test ends. */
export class Peer {
  readonly child: ChildProcess
  readonly exit: Promise<{ code: number | null; signal: string | null }>
  /** What it has written to standard output so far. */
  output = ''

  constructor(t: ExecutionContext, task: string, dir: string, ...rest: number[]) {
    this.child = fork(peer, [task, dir, ...rest.map(String)], { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.output += text
    })
    this.exit = once(this.child, 'close').then(([code, signal]) => ({ code, signal }))
    t.teardown(() => this.child.kill('SIGKILL'))
  }

  get pid(): number {
    return this.child.pid!
  }

  /** The next message that it sends, or an error where it ends instead. */
  async message<T>(): Promise<T> {
    const ended = this.exit.then(({ code, signal }) => {
      throw new Error(`the process ended with ${code ?? signal}`)
    })
    const [message] = await Promise.race([once(this.child, 'message'), ended])
    return message as T
  }

  /** Kills it so that nothing of it runs any more. */
  async kill(): Promise<void> {
    this.child.kill('SIGKILL')
    await this.exit
  }
}

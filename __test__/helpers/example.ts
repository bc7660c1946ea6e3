import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { createInterface } from 'node:readline'

import type { ExecutionContext } from 'ava'

import { readText } from './repository.ts'
import type { Runtime } from './runtimes.ts'
import { compileModule, userFolder } from './snippet.ts'

/** What an example needs: another Node.js than this one, packages beside this one. */
interface Needs {
  node?: Runtime | undefined
  modules?: readonly string[]
}

/** A program of examples/, in a folder as its user has it. It is killed and everything removed when the test ends. */
export class Example {
  readonly folder: string
  readonly #t: ExecutionContext
  readonly #words: readonly string[]
  readonly #node: string
  readonly #running: ChildProcess[] = []

  constructor(t: ExecutionContext, name: string, { node, modules = [] }: Needs = {}) {
    this.folder = userFolder(modules)
    this.#t = t
    this.#node = node?.path ?? process.execPath
    this.#words = ['--no-warnings', compileModule(readText(`examples/${name}.ts`), name, 'ts', this.folder)]
    t.teardown(async () => {
      for (const child of this.#running) await kill(child)
      rmSync(this.folder, { recursive: true, force: true })
    })
  }

  /** Runs it to its end, which must be a good one, and answers the lines that it printed. */
  run(...parameters: string[]): string[] {
    const options = { cwd: this.folder, encoding: 'utf8', timeout: 60_000 } as const
    const { status, stdout, stderr } = spawnSync(this.#node, [...this.#words, ...parameters], options)
    this.#t.is(status, 0, `${stdout}${stderr}`)
    return stdout.trimEnd().split('\n')
  }

  /** Starts it and answers once it has printed its first line. */
  async start(...parameters: string[]): Promise<{ child: ChildProcess; line: string }> {
    const child = spawn(this.#node, [...this.#words, ...parameters], {
      cwd: this.folder,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    this.#running.push(child)
    const lines = createInterface({ input: child.stdout })
    const [line] = (await Promise.race([once(lines, 'line'), once(lines, 'close')])) as [string | undefined]
    if (line === undefined) throw new Error('it ended without a line')
    return { child, line }
  }
}

/** Ends a process in the middle of whatever it does. */
export async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const closed = once(child, 'close')
  child.kill('SIGKILL')
  await closed
}

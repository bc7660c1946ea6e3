import { spawn, spawnSync, type ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'

import type { ExecutionContext } from 'ava'

import { root } from './repository.ts'

/** The built command. */
export const main = join(root, 'dist/cli/main.js')
const terminal = fileURLToPath(new URL('terminal.cjs', import.meta.url))

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly bytes: Buffer
  readonly stderr: string
}

export interface Running {
  readonly input?: string | Uint8Array
  readonly env?: Record<string, string>
  readonly cwd?: string
  /** Whether standard output and error pass for a terminal. */
  readonly terminal?: boolean
}

/** The environment of a command: no colours but those that a test asks for. */
function environment(env: Record<string, string> = {}): NodeJS.ProcessEnv {
  const { NO_COLOR: _no, FORCE_COLOR: _force, ...inherited } = process.env
  return { ...inherited, TERM: 'xterm', ...env }
}

/** Runs the command to its end. */
export function chronicle(
  args: readonly string[],
  { input = '', env, cwd, terminal: tty }: Running = {},
): Ended {
  const parameters = [...(tty === true ? ['--require', terminal] : []), main, ...args]
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, parameters, {
    input,
    cwd,
    env: environment(env),
    timeout: 60_000,
    maxBuffer: 1 << 30,
  })
  return { code: status, signal, stdout: stdout.toString(), bytes: stdout, stderr: stderr.toString() }
}

/** Runs the command, which must go well and say nothing on standard error, and answers what it printed. */
export function prints(t: ExecutionContext, args: readonly string[], running?: Running): string {
  const { code, stdout, stderr } = chronicle(args, running)
  t.deepEqual({ code, stderr }, { code: 0, stderr: '' }, args.join(' '))
  return stdout
}

/** Runs the command, which must fail with this code and say so, and answers what it said. */
export function fails(
  t: ExecutionContext,
  args: readonly string[],
  code: 1 | 2,
  says: RegExp,
  running?: Running,
): Ended {
  const ended = chronicle(args, running)
  t.is(ended.code, code, `${args.join(' ')}\n${ended.stderr}`)
  t.regex(ended.stderr, says)
  return ended
}

/** A command that runs beside the test, and is killed at the latest when that ends. */
export class Live {
  readonly child: ChildProcessByStdio<Writable, Readable, Readable>
  stderr = ''
  stdout = ''
  readonly #ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>

  constructor(t: ExecutionContext, args: readonly string[]) {
    this.child = spawn(process.execPath, [main, ...args], { env: environment(), stdio: 'pipe' })
    this.child.stdout.on('data', (chunk: Buffer) => (this.stdout += chunk.toString()))
    this.child.stderr.on('data', (chunk: Buffer) => (this.stderr += chunk.toString()))
    this.#ended = once(this.child, 'close').then(([code, signal]) => ({ code, signal }))
    t.teardown(() => this.child.kill('SIGKILL'))
  }

  /** Waits until so many lines were printed, and answers them. */
  async lines(count: number): Promise<string[]> {
    const ended = this.#ended.then(() => true)
    for (;;) {
      const lines = this.stdout.split('\n').slice(0, -1)
      if (lines.length >= count) return lines
      const over = await Promise.race([once(this.child.stdout, 'data').then(() => false), ended])
      if (over && this.stdout.split('\n').length <= count)
        throw new Error(`it ended: ${this.stdout}${this.stderr}`)
    }
  }

  end(): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
    return this.#ended
  }
}

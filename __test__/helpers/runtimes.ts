import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

import { root } from './repository.ts'

/** A program that runs JavaScript. */
export interface Runtime {
  /** What it is and which version, such as `node-22 22.23.3`. */
  readonly version: string
  readonly path: string
  /** What stands before the path of the program that it runs. */
  readonly parameters: readonly string[]
}

const cache = join(root, '.cache')

/** Where `npm run fetch:runtimes` puts the program of each runtime. */
const programs: Readonly<Record<string, string>> = {
  'node-20.0': 'bin/node',
  'node-20': 'bin/node',
  'node-22': 'bin/node',
  'node-24': 'bin/node',
  'node-26': 'bin/node',
  bun: 'bin/bun',
  deno: 'deno',
}

/** The least that Deno has to allow: native code, reading the package, and the variables that the loader looks at, and the free space that health() looks at. */
const denoRun = ['run', '--no-prompt', '--allow-ffi', '--allow-read', '--allow-env', '--allow-sys']

/** Programs may collect garbage. Bun needs no parameter for it. */
function parametersOf(name: string): string[] {
  if (name === 'deno') return [...denoRun, '--v8-flags=--expose-gc']
  return name === 'bun' ? [] : ['--expose-gc']
}

/** This process's Node.js, and the fetched ones. */
export function nodes(): Runtime[] {
  const own = {
    version: `this Node.js ${process.version.slice(1)}`,
    path: process.execPath,
    parameters: ['--expose-gc'],
  }
  return [own, ...fetched().filter(({ name }) => name.startsWith('node-'))]
}

/** {@link nodes}, and Bun and Deno where they are fetched. */
export function runtimes(): Runtime[] {
  return [...nodes(), ...fetched().filter(({ name }) => !name.startsWith('node-'))]
}

/** A runtime by the name that it is fetched under, where it is there. */
export function runtime(name: string): Runtime | undefined {
  return fetched().find((each) => each.name === name)
}

/** A folder of a fetched bundler, where it is there. */
export function bundlers(): string | undefined {
  const folder = join(cache, 'bundlers')
  if (existsSync(join(folder, 'node_modules'))) return folder
  if (mustBeThere()) throw new Error('the bundlers are not there: run "npm run fetch:runtimes"')
  return undefined
}

/** Whether a run without what is to be fetched would be no proof. */
function mustBeThere(): boolean {
  return process.env['CHRONICLE_RUNTIMES'] === 'all'
}

function fetched(): (Runtime & { name: string })[] {
  return Object.entries(programs).flatMap(([name, program]) => {
    const path = join(cache, 'runtimes/node_modules', name, program)
    if (existsSync(path)) {
      const [number = ''] =
        /\d+\.\d+\.\d+/.exec(execFileSync(path, ['--version'], { encoding: 'utf8' })) ?? []
      return [{ name, version: `${name} ${number}`, path, parameters: parametersOf(name) }]
    }
    if (mustBeThere()) throw new Error(`${name} is not there: run "npm run fetch:runtimes"`)
    return []
  })
}

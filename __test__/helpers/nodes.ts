import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

import { root } from './repository.ts'

/** A Node.js binary to run the packed package under. */
export interface Node {
  readonly version: string
  readonly path: string
}

/**
 * This process's Node.js and those that `npm run fetch:nodes` has put beside it. The majors named in the
 * environment variable CHRONICLE_NODES, such as `20,22,24`, must be there.
 */
export function nodes(): Node[] {
  const fetched = [20, 22, 24]
    .map((major) => join(root, `.cache/nodes/node_modules/node-${major}/bin/node`))
    .filter((path) => existsSync(path))
  const all = [process.execPath, ...fetched].map((path) => ({
    version: execFileSync(path, ['--version'], { encoding: 'utf8' }).trim(),
    path,
  }))
  for (const major of process.env['CHRONICLE_NODES']?.split(',') ?? []) {
    if (!all.some(({ version }) => version.startsWith(`v${major}.`))) {
      throw new Error(`Node.js ${major} is asked for and not there: run "npm run fetch:nodes"`)
    }
  }
  return all
}

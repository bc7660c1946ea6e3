import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'

/**
 * Installs the peers where they are missing. Each is optional: one that can be neither fetched nor built is left out, and its
 * lines say so. A peer that is built needs the headers of Node.js, which often lie beside it.
 */
export function installPeers(): void {
  if (existsSync('bench/node_modules/.package-lock.json')) return
  process.stderr.write('installing the peers into bench/node_modules\n')
  const prefix = dirname(dirname(process.execPath))
  const headers = existsSync(join(prefix, 'include/node/node.h')) ? { npm_config_nodedir: prefix } : {}
  const { status } = npm(['ci', '--prefix', 'bench', '--no-audit', '--no-fund'], {
    ...headers,
    ...process.env,
  })
  if (status !== 0)
    process.stderr.write('the peers could not be installed: their lines will say "not available"\n')
}

/** Compiles this folder to plain JavaScript, which the children run: no loader stands before the code that is measured. */
export function compile(): void {
  const { status } = npm(['exec', '--', 'tsc', '-p', 'bench/tsconfig.json'], process.env)
  if (status !== 0) throw new Error('bench/ does not compile')
}

function npm(args: string[], env: NodeJS.ProcessEnv) {
  return spawnSync('npm', args, { stdio: ['ignore', 2, 2], env, shell: process.platform === 'win32' })
}

import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

/** Lets the processes that are started from now on use a native part that stops, fails and errs when it is asked to. */
export function useFaults(): void {
  if (process.env['NAPI_RS_NATIVE_LIBRARY_PATH'] !== undefined) return
  const { status } = spawnSync('npm', ['run', '--silent', 'build:fault'], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
    shell: process.platform === 'win32',
  })
  const folder = join(root, 'target', 'fault', 'native')
  const built = status === 0 ? readdirSync(folder).find((name) => name.endsWith('.node')) : undefined
  if (built === undefined) throw new Error('npm run build:fault fails')
  process.env['NAPI_RS_NATIVE_LIBRARY_PATH'] = join(folder, built)
}

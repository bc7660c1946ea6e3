import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

/** The native part that stops, fails and errs when it is asked to, built anew where its sources have changed. */
export function faultyAddon(): string {
  const { status } = spawnSync('npm', ['run', '--silent', 'build:fault'], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
    shell: process.platform === 'win32',
  })
  const built = status === 0 ? builtAddon() : undefined
  if (built === undefined) throw new Error('npm run build:fault fails')
  return built
}

/** The same, if it was built before. */
export function builtAddon(): string | undefined {
  const folder = join(root, 'target', 'fault', 'native')
  const name = existsSync(folder) ? readdirSync(folder).find((entry) => entry.endsWith('.node')) : undefined
  return name === undefined ? undefined : join(folder, name)
}

/** Lets the processes that are started from now on use a native part that stops, fails and errs when it is asked to. */
export function useFaults(): void {
  if (process.env['NAPI_RS_NATIVE_LIBRARY_PATH'] !== undefined) return
  process.env['NAPI_RS_NATIVE_LIBRARY_PATH'] = faultyAddon()
}

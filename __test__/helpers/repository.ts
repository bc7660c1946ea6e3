import { execFileSync } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The root of the checkout. */
export const root = join(dirname(fileURLToPath(import.meta.url)), '../..')

/** The files of the checkout that are committed or would be, named relative to its root. */
export function listFiles(): string[] {
  const list = ['ls-files', '-z', '--cached', '--others', '--exclude-standard']
  const names = execFileSync('git', list, { cwd: root, encoding: 'utf8' }).split('\0')
  return names.filter(
    (name) => name !== '' && statSync(join(root, name), { throwIfNoEntry: false })?.isFile(),
  )
}

export function readText(name: string): string {
  return readFileSync(join(root, name), 'utf8')
}

import { realpathSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

import { checkPath } from './checks.ts'

/** The absolute path of a directory that is given by path or `file:` URL. */
export function absolute(dir: string | URL, name: string): string {
  const given = checkPath(dir, name)
  return resolve(given instanceof URL ? fileURLToPath(given) : given)
}

/** Whether two paths lead to one directory. */
export function same(one: string, other: string): boolean {
  return one === other || realpathSync(one) === realpathSync(other)
}

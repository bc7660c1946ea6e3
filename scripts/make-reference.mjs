// Makes the API reference in .cache/reference/ with TypeDoc. A public name without documentation, or a link that leads nowhere, is
// an error. TypeDoc comes with a compiler of its own, in a package of its own, because it cannot use the one of this repository.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const folder = join(dirname(fileURLToPath(import.meta.url)), 'reference')

function run(command, parameters) {
  const shell = process.platform === 'win32' && command === 'npm'
  const { status, error } = spawnSync(command, parameters, { cwd: folder, stdio: 'inherit', shell })
  if (error !== undefined) throw error
  if (status !== 0) process.exit(status ?? 1)
}

if (!existsSync(join(folder, 'node_modules/.package-lock.json')))
  run('npm', ['ci', '--ignore-scripts', '--no-audit'])
run(process.execPath, ['node_modules/typedoc/bin/typedoc', '--options', 'typedoc.json'])

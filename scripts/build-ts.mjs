// Compiles the TypeScript to CommonJS in dist/ and puts an ES module door in front of it. One
// implementation behind both doors: `instanceof` holds however a program came by its objects.
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const dist = join(root, 'dist')

function compile() {
  const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc')
  const { status } = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], {
    cwd: root,
    stdio: 'inherit',
  })
  if (status !== 0) process.exit(status ?? 1)
}

/** The compiler renames `./x.ts` to `./x.js` in code but not in declarations. */
function renameDeclarationImports() {
  for (const name of readdirSync(dist, { recursive: true })) {
    if (!name.endsWith('.d.ts')) continue
    const file = join(dist, name)
    const text = readFileSync(file, 'utf8')
    writeFileSync(file, text.replace(/((?:from |import\()['"]\.[^'"]*)\.ts(?=['"])/g, '$1.js'))
  }
}

/** Nobody imports the command: its declarations would only be carried along. */
function dropCommandDeclarations() {
  for (const name of readdirSync(join(dist, 'cli'), { recursive: true })) {
    if (name.endsWith('.d.ts')) rmSync(join(dist, 'cli', name))
  }
}

/** The names that index.ts exports at run time. */
function exportedNames() {
  const code = readFileSync(join(dist, 'index.js'), 'utf8')
  if (code.includes('__exportStar(')) throw new Error('index.ts must name each export: no `export *`')
  const names = [...code.matchAll(/Object\.defineProperty\(exports, "(\w+)"/g)].map((match) => match[1])
  return names.filter((name) => name !== '__esModule').toSorted()
}

const nativeDoor = `try {
  module.exports = require('../../native/binding.cjs')
} catch (cause) {
  throw require('../lib/errors.js').noBinding(cause)
}
`

function writeDoors() {
  writeFileSync(join(dist, 'package.json'), '{ "type": "commonjs" }\n')
  writeFileSync(join(dist, 'index.mjs'), `export { ${exportedNames().join(', ')} } from './index.js'\n`)
  writeFileSync(join(dist, 'index.d.mts'), "export * from './index.js'\n")
  // The compiler leaves alone what is JavaScript already.
  copyFileSync(join(root, 'lib/codecs/msgpackr.cjs'), join(dist, 'lib/codecs/msgpackr.cjs'))
  // lib/native.ts finds its neighbour ../native/ from dist/lib/ too; the one true loader stays in native/.
  mkdirSync(join(dist, 'native'))
  writeFileSync(join(dist, 'native/binding.cjs'), nativeDoor)
  writeFileSync(join(dist, 'native/binding.d.cts'), "export * from '../../native/binding.cjs'\n")
}

rmSync(dist, { recursive: true, force: true })
compile()
dropCommandDeclarations()
renameDeclarationImports()
writeDoors()

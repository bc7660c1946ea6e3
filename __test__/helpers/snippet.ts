import { execFileSync } from 'node:child_process'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import type { CodeBlock } from './markdown.ts'
import { temporaryFolder } from './packed.ts'
import { root } from './repository.ts'

/** Writes a block as a JavaScript module that every supported Node.js understands, and answers its path. */
export function writeSnippet({ info, code, line }: CodeBlock, folder: string): string {
  return compileModule(code, `snippet-${line}`, info[0] === 'js' ? 'js' : 'ts', folder)
}

/** Writes a program as {@link writeSnippet} does. */
export function compileModule(code: string, name: string, language: 'js' | 'ts', folder: string): string {
  const out = join(folder, 'snippets')
  mkdirSync(out, { recursive: true })
  // JavaScript goes through the compiler too: `using` is newer than the oldest release supported.
  const source = join(folder, `${name}.m${language}`)
  writeFileSync(source, code)
  const options = ['--target', 'es2022', '--module', 'nodenext', '--allowJs', '--noCheck', '--ignoreConfig']
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  execFileSync(process.execPath, [tsc, source, ...options, '--outDir', out], { cwd: folder, stdio: 'pipe' })
  return join(out, `${name}.mjs`)
}

/** A folder in which `chronicle-log` is what is built here, to run programs in as its users do; with other packages of the checkout. */
export function userFolder(modules: readonly string[]): string {
  const folder = temporaryFolder('user')
  mkdirSync(join(folder, 'node_modules'))
  symlinkSync(root, join(folder, 'node_modules/chronicle-log'), 'junction')
  for (const name of modules) {
    symlinkSync(join(root, 'node_modules', name), join(folder, 'node_modules', name), 'junction')
  }
  return folder
}

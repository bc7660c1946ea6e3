import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import type { CodeBlock } from './markdown.ts'
import { root } from './repository.ts'

/** Writes a block as a JavaScript module that every supported Node.js understands, and answers its path. */
export function writeSnippet({ info, code, line }: CodeBlock, folder: string): string {
  const name = `snippet-${line}`
  const out = join(folder, 'snippets')
  mkdirSync(out, { recursive: true })
  // JavaScript goes through the compiler too: `using` is newer than the oldest release supported.
  const source = join(folder, `${name}.m${info[0]}`)
  writeFileSync(source, code)
  const options = ['--target', 'es2022', '--module', 'nodenext', '--allowJs', '--noCheck', '--ignoreConfig']
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  execFileSync(process.execPath, [tsc, source, ...options, '--outDir', out], { cwd: folder, stdio: 'pipe' })
  return join(out, `${name}.mjs`)
}

import { spawnSync } from 'node:child_process'
import { existsSync, rmSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'

import test from 'ava'

import { anchors, links, runnableBlocks } from './helpers/markdown.ts'
import { listFiles, readText, root } from './helpers/repository.ts'
import { userFolder, writeSnippet } from './helpers/snippet.ts'

const files = listFiles()
const sources = files.filter(
  (name) => /\.(rs|ts|mts|cts|js|mjs|cjs)$/.test(name) && !name.startsWith('native/'),
)
const markdown = files.filter((name) => name.endsWith('.md'))

/** Each line of `names` that `pattern` matches, as `file:line`. */
function findLines(names: readonly string[], pattern: RegExp): string[] {
  return names.flatMap((name) =>
    readText(name)
      .split('\n')
      .flatMap((line, index) => (pattern.test(line) ? [`${name}:${index + 1}: ${line.trim()}`] : [])),
  )
}

const textFiles = files.filter((name) => !readText(name).includes('\0'))

test('the lists of files are not empty', (t) => {
  t.true(sources.some((name) => name.startsWith('crates/')))
  t.true(sources.some((name) => name.startsWith('lib/')))
  t.true(markdown.includes('README.md'))
})

test('no source file is longer than 400 lines', (t) => {
  t.deepEqual(
    sources.filter((name) => readText(name).trimEnd().split('\n').length > 400),
    [],
  )
})

test('nothing is left to be done later', (t) => {
  // A letter in brackets keeps this file, which is searched too, from finding itself.
  const pattern = /\b(T[O]DO|F[I]XME|X[X]X|H[A]CK)\b|\b(t[o]do|d[b]g|u[n]implemented)!\(/
  t.deepEqual(findLines(textFiles, pattern), [])
})

test('no file names a path of one machine or the host of a registry', (t) => {
  const path = /(^|[\s"'`(=:])\/(home|Users|root|work)\/[\w.-]/
  const host = /npm[j]s\.(org|com)|(index|static)\.crates\.[i]o|py[p]i\.org/
  t.deepEqual(findLines(textFiles, path), [])
  t.deepEqual(findLines(textFiles, host), [])
})

test('the lock files hold no addresses but the name of the one crate index', (t) => {
  t.deepEqual(
    findLines(
      ['package-lock.json', 'bench/package-lock.json', 'scripts/reference/package-lock.json'],
      /"resolved":/,
    ),
    [],
  )
  const other = /^source = (?!"registry\+https:\/\/github\.com\/rust-lang\/crates\.io-index"$)/
  t.deepEqual(findLines(['Cargo.lock', 'fuzz/Cargo.lock'], other), [])
})

test('links between documents resolve', (t) => {
  const broken = markdown.flatMap((name) =>
    links(readText(name))
      .filter((link) => !/^[a-z+]+:/i.test(link) && !resolves(name, link))
      .map((link) => `${name}: ${link}`),
  )
  t.deepEqual(broken, [])
})

function resolves(from: string, link: string): boolean {
  const [path = '', anchor] = link.split('#')
  const target = path === '' ? from : normalize(join(dirname(from), path))
  if (!existsSync(join(root, target))) return false
  return anchor === undefined || !target.endsWith('.md') || anchors(readText(target)).has(anchor)
}

test('every Rust file is a module of its crate', (t) => {
  const modules = sources.filter(
    (name) => /^crates\/[^/]+\/src\//.test(name) && !/\/src\/(lib|main)\.rs$/.test(name),
  )
  const orphans = modules.filter((name) => {
    const [, folder = '', stem = ''] = /^(.*)\/([^/]+)\.rs$/.exec(name.replace(/\/mod\.rs$/, '.rs')) ?? []
    const parents = [`${folder}/lib.rs`, `${folder}/mod.rs`, `${folder}.rs`]
    return !parents.some(
      (parent) =>
        sources.includes(parent) &&
        new RegExp(`^\\s*(pub(\\(\\w+\\))? )?mod ${stem}\\b`, 'm').test(readText(parent)),
    )
  })
  t.deepEqual(orphans, [])
})

test('every file of the facade is reached from index.ts', (t) => {
  const reached = new Set<string>()
  const visit = (name: string): void => {
    if (reached.has(name)) return
    reached.add(name)
    // JavaScript has its types beside it.
    if (name.endsWith('.cjs')) reached.add(name.replace(/\.cjs$/, '.d.cts'))
    for (const [, path = ''] of readText(name).matchAll(/(?:from|^import) '(\.[^']+\.(?:ts|cjs))'/gm)) {
      visit(normalize(join(dirname(name), path)).replaceAll('\\', '/'))
    }
  }
  visit('index.ts')
  t.deepEqual(
    sources.filter((name) => name.startsWith('lib/') && !reached.has(name)),
    [],
  )
})

test('the layers depend in one direction', (t) => {
  const core = files.filter((name) => name.startsWith('crates/chronicle-core/'))
  t.deepEqual(findLines(core, /\bnapi(_derive)?::|^napi/), [])
  t.regex(readText('crates/chronicle-core/src/lib.rs'), /^#!\[deny\([^)]*\bunsafe_code\b/m)
  const facade = sources.filter((name) => /^(index\.ts|lib\/|cli\/)/.test(name) && name !== 'lib/native.ts')
  t.deepEqual(findLines(facade, /native\/binding/), [])
  const cli = sources.filter((name) => name.startsWith('cli/'))
  t.deepEqual(findLines(cli, /from '\.\.\/(\.\.\/)*lib\//), [])
})

function codesIn(name: string): string[] {
  return [...new Set(readText(name).match(/\bERR_CHRONICLE_[A-Z_]*[A-Z]\b/g))].toSorted()
}

test('the error codes of core, facade and documentation agree', (t) => {
  const core = [...readText('crates/chronicle-core/src/error.rs').matchAll(/^ {4}\w+ = "([A-Z_]+)",$/gm)]
  t.true(core.length > 0)
  const facade = codesIn('lib/errors.ts')
  t.deepEqual(
    core.map((match) => `ERR_CHRONICLE_${match[1]}`).filter((code) => !facade.includes(code)),
    [],
  )
  t.deepEqual(codesIn('docs/ERRORS.md'), facade)
})

test('the README has snippets, and those of every document run', (t) => {
  t.true(
    runnableBlocks(readText('README.md')).length > 0,
    'no block of the README opens with "```ts run" or "```js run"',
  )
  const snippets = markdown.flatMap((name) =>
    runnableBlocks(readText(name)).map((block) => ({ name, block })),
  )
  for (const { name, block } of snippets) {
    const folder = userFolder(['zod'])
    t.teardown(() => rmSync(folder, { recursive: true, force: true }))
    const run = { cwd: folder, encoding: 'utf8', timeout: 30_000 } as const
    const { status, stderr } = spawnSync(process.execPath, [writeSnippet(block, folder)], run)
    t.is(status, 0, `the block at ${name}:${block.line} fails:\n${stderr}`)
  }
})

import { spawnSync } from 'node:child_process'

import test from 'ava'

import { commands } from '../cli/commands.ts'
import { optionLines } from '../cli/help.ts'
import { main } from './helpers/command.ts'
import { readText } from './helpers/repository.ts'
import { folder } from './helpers/temporary.ts'

const page = readText('docs/CLI.md')

/** A command line of the page, and what it prints there. */
interface Example {
  readonly line: string
  readonly output: string
}

function examples(): Example[] {
  const blocks = [...page.matchAll(/^```console\n([^]*?)^```$/gm)].map(([, block = '']) => block)
  return blocks.flatMap((block) =>
    block
      .split(/^\$ /m)
      .slice(1)
      .map((example) => {
        const end = example.indexOf('\n')
        return { line: example.slice(0, end), output: example.slice(end + 1) }
      }),
  )
}

/** What differs from one run to the next, made the same. */
function alike(text: string): string {
  return text
    .replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z/g, 'TIME')
    .replaceAll(/\d+\.\d [KMG]iB/g, 'SIZE')
    .replaceAll(/\d+ behind/g, 'N behind')
}

const withBash = process.platform === 'win32' ? test.skip : test

withBash('the examples of the page print what it says, one after the other', (t) => {
  const all = examples()
  t.true(all.length > 30)
  for (const { name } of commands) {
    if (name === 'bench' || name === 'completion') continue
    t.true(
      all.some(({ line }) => line.includes(`chronicle ${name} `)),
      name,
    )
  }
  const cwd = folder(t)
  // One shell runs them all; a sign that nothing prints stands behind the output of each.
  const run = ({ line }: Example) => `${line}\ncode=$?; printf '\\036'; (exit $code)\n`
  const script = `exec 2>&1\nchronicle() { "$NODE" "$MAIN" "$@"; }\n${all.map(run).join('')}`
  const env = { ...process.env, NODE: process.execPath, MAIN: main, NO_COLOR: '1', FORCE_COLOR: '0' }
  const { stdout } = spawnSync('bash', ['-c', script], { cwd, env, encoding: 'utf8', timeout: 110_000 })
  const outputs = stdout.replaceAll(cwd, '/data').split('\u001E')
  t.is(outputs.length, all.length + 1)
  for (const [index, { line, output }] of all.entries()) t.is(alike(outputs[index]!), alike(output), line)
})

test('the page lists the options of every command as help does', (t) => {
  for (const command of commands) {
    if (Object.keys(command.options).length === 0) continue
    t.true(page.includes(`\`\`\`text\n${optionLines(command)}\`\`\`\n`), command.name)
  }
})

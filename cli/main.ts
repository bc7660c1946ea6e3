#!/usr/bin/env node
import { readFileSync, realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'

import type { Command, ExitCode } from './command.ts'
import { commands } from './commands.ts'
import { explain, UsageError } from './errors.ts'
import { commandHelp, help } from './help.ts'
import { ClosedPipe, Output } from './output.ts'
import { parse, suggestion } from './parse.ts'
import { styleFor } from './style.ts'

/** The version of the package that this file belongs to, wherever in it the file lies. */
function version(): string {
  for (let folder = dirname(realpathSync(process.argv[1] ?? '')); ; folder = dirname(folder)) {
    try {
      const { name, version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Record<
        string,
        string
      >
      if (name === 'chronicle-log' && version !== undefined) return version
    } catch {
      // There is none in this folder.
    }
    if (folder === dirname(folder)) return 'unknown'
  }
}

function find(name: string): Command {
  const command = commands.find((known) => known.name === name)
  if (command !== undefined) return command
  const near = suggestion(
    name,
    commands.map((known) => known.name),
  )
  throw new UsageError(`there is no command ${JSON.stringify(name)}${near}`)
}

async function run(argv: readonly string[], out: Output): Promise<ExitCode> {
  const [name, ...rest] = argv
  if (name === undefined)
    throw new UsageError('a command is missing: chronicle COMMAND [arguments] [options]')
  if (name === '--version' || name === '-v') {
    out.text(`${version()}\n`)
    return 0
  }
  if (name === 'help' || name === '--help' || name === '-h') {
    const [about] = rest
    out.text(about === undefined ? help(commands, out.style) : commandHelp(find(about), out.style))
    return 0
  }
  if (name.startsWith('-')) throw new UsageError(`a command comes before its options, got ${name}`)
  const command = find(name)
  try {
    const parsed = parse(command, rest)
    if (!parsed.help) return await command.run({ ...parsed, out })
    out.text(commandHelp(command, out.style))
    return 0
  } catch (error) {
    if (error instanceof UsageError) error.command = command.name
    throw error
  }
}

async function main(): Promise<ExitCode> {
  // Progress and errors may be lost without harm; their loss must not end the work.
  process.stderr.on('error', () => undefined)
  const out = new Output(process.stdout)
  try {
    const code = await run(process.argv.slice(2), out)
    await out.flush()
    return code
  } catch (error) {
    if (error instanceof ClosedPipe) return 0
    // What was found before the failure is shown before the failure.
    await out.flush().catch(() => undefined)
    const { text, code } = explain(error, styleFor(process.stderr))
    process.stderr.write(text)
    return code
  }
}

void (async () => {
  process.exitCode = await main()
})()

import type { Command, Option } from './command.ts'
import { placeHelp } from './place.ts'
import { columns, type Style } from './style.ts'

const indent = (lines: string) => lines.replaceAll(/^(?=.)/gm, '  ')

function written(name: string, option: Option<unknown>): string {
  const value = option.value === undefined ? '' : ` ${option.value}`
  return `${option.short === undefined ? '   ' : `-${option.short},`} --${name}${value}`
}

/** Every option with what it does. */
export function optionLines(command: Command): string {
  const rows = Object.entries(command.options).map(([name, option]) => [written(name, option), option.help])
  return columns([...rows, ['-h, --help', 'show this help']])
}

/** The help of one command. */
export function commandHelp(command: Command, style: Style): string {
  const takesPlace = Object.values(command.options).some((option) => option.value === 'PLACE')
  const explained = takesPlace || command.usage.includes('PLACE') ? ['', ...placeHelp] : []
  const examples = command.examples.map(([line, what]) => `  # ${what}\n  ${line}\n`).join('\n')
  return [
    `${command.summary}\n`,
    `${style.bold('Usage:')} chronicle ${command.name} ${`${command.usage} `.trimStart()}[options]\n`,
    ...(command.about.length + explained.length > 0
      ? [`${[...command.about, ...explained].join('\n').trim()}\n`]
      : []),
    `${style.bold('Options:')}\n${indent(optionLines(command))}`,
    ...(examples === ''
      ? []
      : [`${style.bold(command.examples.length === 1 ? 'Example:' : 'Examples:')}\n${examples}`]),
  ].join('\n')
}

/** The help of the whole. */
export function help(commands: readonly Command[], style: Style): string {
  const rows = commands.map(({ name, summary }) => [name, summary])
  return [
    'chronicle: look at, fill and look after the logs of chronicle-log.\n',
    `${style.bold('Usage:')} chronicle COMMAND [arguments] [options]\n`,
    `${style.bold('Commands:')}\n${indent(columns(rows))}`,
    `${style.bold('Options:')}\n${indent(
      columns([
        ['-h, --help', 'show this help; behind a command, that of the command'],
        ['-v, --version', 'show the version'],
      ]),
    )}`,
    [
      'DIR is the directory of a chronicle. Commands that only read never write to it, and do not create it.',
      'Exit codes: 0 it went well; 1 it failed, or a problem was found; 2 the command line is wrong.',
      'Colours are for terminals: NO_COLOR=1 turns them off, FORCE_COLOR=1 on.\n',
    ].join('\n'),
  ].join('\n')
}

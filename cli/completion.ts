import type { Command, Option } from './command.ts'

export const shells = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof shells)[number]

/** A script for a shell that completes what the table of commands holds. */
export function completion(shell: Shell, commands: readonly Command[]): string {
  const write = { bash, zsh, fish }[shell]
  return write([...commands, helpCommand(commands)])
}

/** "help" is no command of the table, and is completed like one. */
function helpCommand(commands: readonly Command[]): Pick<Command, 'name' | 'summary' | 'options' | 'words'> {
  return { name: 'help', summary: 'Show help.', options: {}, words: commands.map(({ name }) => name) }
}

type Completed = readonly Pick<Command, 'name' | 'summary' | 'options' | 'words'>[]

const names = ['chronicle', 'chronicle-log']

function optionsOf({ options }: Completed[number]): (readonly [string, Option<unknown>])[] {
  return [...Object.entries(options), ['help', { help: 'show help', short: 'h', parse: () => true }] as const]
}

function bash(commands: Completed): string {
  const cases = commands.map((command) => {
    const options = optionsOf(command)
    const words = options.map(([name]) => `--${name}`).join(' ')
    const choices = options
      .filter(([, option]) => option.value !== undefined)
      .map(([name, { choices = [] }]) => `        --${name}) values='${choices.join(' ')}'; takes=1 ;;\n`)
    const previous = choices.length === 0 ? '' : `      case "$previous" in\n${choices.join('')}      esac\n`
    return `    ${command.name})\n      options='${words}'; words='${command.words?.join(' ') ?? ''}'\n${previous}      ;;\n`
  })
  return `_chronicle() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]}
  local options='' words='' values='' takes=0
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    COMPREPLY=($(compgen -W '${commands.map(({ name }) => name).join(' ')} --help --version' -- "$current"))
    return
  fi
  case "\${COMP_WORDS[1]}" in
${cases.join('')}  esac
  if ((takes)); then
    COMPREPLY=($(compgen -W "$values" -- "$current"))
  elif [[ $current == -* ]]; then
    COMPREPLY=($(compgen -W "$options" -- "$current"))
  else
    COMPREPLY=($(compgen -W "$words" -- "$current") $(compgen -f -- "$current"))
  fi
}
complete -o filenames -F _chronicle ${names.join(' ')}
`
}

/** Text within single quotes, where only the quote itself has a meaning. */
const quoted = (text: string) => text.replaceAll("'", `'\\''`)

function zsh(commands: Completed): string {
  // Within a specification of _arguments brackets and colons have a meaning.
  const plain = (text: string) => quoted(text).replaceAll(/[[\]:]/g, String.raw`\$&`)
  const described = commands.map(({ name, summary }) => `    '${name}:${plain(summary)}'\n`)
  const cases = commands.map((command) => {
    const options = optionsOf(command).flatMap(([name, { value, short, help, choices }]) => {
      const values = choices === undefined ? ' ' : `(${choices.join(' ')})`
      const rest = `[${plain(help)}]${value === undefined ? '' : `:${plain(value)}:${values}`}`
      return [`--${name}`, ...(short === undefined ? [] : [`-${short}`])].map(
        (option) => `'${option}${rest}'`,
      )
    })
    const words =
      command.words === undefined ? '_files' : `{_values word ${command.words.join(' ')} || _files}`
    const all = [...options, `'*:argument:${words}'`]
    return `    ${command.name})\n      _arguments ${all.join(' \\\n        ')}\n      ;;\n`
  })
  return `#compdef ${names.join(' ')}
_chronicle() {
  local -a commands=(
${described.join('')}  )
  if ((CURRENT == 2)); then
    _describe command commands
    return
  fi
  local name=$words[2]
  shift words
  ((CURRENT--))
  case $name in
${cases.join('')}  esac
}
compdef _chronicle ${names.join(' ')}
`
}

function fish(commands: Completed): string {
  const lines = (program: string) => {
    const names = commands.map(
      ({ name, summary }) => `-f -n __fish_use_subcommand -a ${name} -d '${fishQuoted(summary)}'`,
    )
    const options = commands.flatMap((command) => {
      const within = `-n '__fish_seen_subcommand_from ${command.name}'`
      const own = optionsOf(command).map(([name, option]) => `${within} ${fishOption(name, option)}`)
      return command.words === undefined ? own : own.concat(`${within} -a '${command.words.join(' ')}'`)
    })
    return names.concat(options).map((line) => `complete -c ${program} ${line}\n`)
  }
  return names.flatMap(lines).join('')
}

const fishQuoted = (text: string) => text.replaceAll(/['\\]/g, String.raw`\$&`)

function fishOption(name: string, { value, short, help, choices }: Option<unknown>): string {
  const parts = [
    `-l ${name}`,
    ...(short === undefined ? [] : [`-s ${short}`]),
    ...(value === undefined ? [] : ['-x']),
    ...(choices === undefined ? [] : [`-a '${choices.join(' ')}'`]),
    `-d '${fishQuoted(help)}'`,
  ]
  return parts.join(' ')
}

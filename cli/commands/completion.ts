import { command, type Command } from '../command.ts'
import { completion as script, shells } from '../completion.ts'
import { UsageError } from '../errors.ts'
import { suggestion } from '../parse.ts'

/** The command that completes the others. */
export function completionOf(others: readonly Command[]): Command {
  const completion: Command = command({
    name: 'completion',
    usage: shells.join('|'),
    args: [1, 1],
    words: shells,
    summary: 'Print a script that lets a shell complete commands and options.',
    about: [],
    options: {},
    examples: [
      ['source <(chronicle completion bash)', 'bash: for this shell, or in ~/.bashrc for every one'],
      ['source <(chronicle completion zsh)', 'zsh: behind compinit in ~/.zshrc'],
      ['chronicle completion fish > ~/.config/fish/completions/chronicle.fish', 'fish'],
    ],
    run({ args: [shell = ''], out }) {
      const known = shells.find((name) => name === shell)
      if (known === undefined) {
        const near = suggestion(shell, shells)
        throw new UsageError(`completion knows ${shells.join(', ')}, got ${JSON.stringify(shell)}${near}`)
      }
      out.text(script(known, [...others, completion]))
      return 0
    },
  })
  return completion
}

import type { Command } from './command.ts'
import { append } from './commands/append.ts'
import { bench } from './commands/bench.ts'
import { cat } from './commands/cat.ts'
import { completionOf } from './commands/completion.ts'
import { count } from './commands/count.ts'
import { exportCommand } from './commands/export.ts'
import { head } from './commands/head.ts'
import { importCommand } from './commands/import.ts'
import { info } from './commands/info.ts'
import { prune } from './commands/prune.ts'
import { readers } from './commands/readers.ts'
import { repair } from './commands/repair.ts'
import { seek } from './commands/seek.ts'
import { tail } from './commands/tail.ts'
import { top } from './commands/top.ts'
import { verify } from './commands/verify.ts'

const all: readonly Command[] = [
  info,
  cat,
  tail,
  append,
  head,
  count,
  seek,
  readers,
  prune,
  verify,
  repair,
  exportCommand,
  importCommand,
  top,
  bench,
]

/** Every command, in the order of help: what parsing, help and completion are made from. */
export const commands: readonly Command[] = [...all, completionOf(all)]

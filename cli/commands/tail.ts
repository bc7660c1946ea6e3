import type { Chronicle, Message, Tail } from '../../index.ts'

import { command, type Values } from '../command.ts'
import { UsageError } from '../errors.ts'
import { formatHelp, formats, writerOf, type Writer } from '../format.ts'
import { choice, flag, messageTypes, place, text, whole } from '../kinds.ts'
import { opening, openToManage, openToRead } from '../open.ts'
import type { Output } from '../output.ts'
import { seqAt } from '../place.ts'
import { Signals } from '../signals.ts'

const options = {
  follow: flag('go on with what is appended; it does so unless told otherwise', 'f'),
  'no-follow': flag('end at the end of the log'),
  from: place('where to begin; end by default'),
  limit: whole('N', 'end behind this many messages', { short: 'n' }),
  type: messageTypes('only messages of these types'),
  format: choice(formats, 'how to print them; text by default'),
  name: text('NAME', 'read as this named reader, behind what it has committed'),
  commit: flag('with --name: commit what was printed, so that it does not come again'),
  'new-from': place('with --name: where a reader begins that is new; start by default'),
  'durable-only': flag('only messages that a power cut cannot take'),
  ...opening,
}

export const tail = command({
  name: 'tail',
  usage: 'DIR',
  args: [1, 1],
  summary: 'Follow the log: print what is appended, by whatever process, as it comes.',
  about: [
    ...formatHelp,
    '',
    'With --name the position of that reader is kept in the chronicle, so its directory must be writable, and the',
    'reader is there from then on; without --name nothing is written. A message is committed once it is printed:',
    'killed in between, the same message comes again. What --type leaves out is committed with what is printed.',
  ],
  options,
  examples: [
    ['chronicle tail -f ./orders --from -10', 'the last ten messages, and all that come'],
    [
      'chronicle tail ./orders --name billing --commit --format ndjson | ./bill',
      'hand over each message at least once',
    ],
  ],
  async run({ args: [dir = ''], options, out }) {
    check(options)
    using log = options.name === undefined ? openToRead(dir, options) : openToManage(dir, options)
    using tail = start(log, options)
    const printer = new Printer(log, tail, options, out)
    const signals = new Signals(() => printer.stop())
    try {
      await printer.run()
    } finally {
      signals.restore()
    }
    if (signals.caught !== undefined) {
      log.close()
      signals.pass()
    }
    return 0
  },
})

type TailValues = Values<typeof options>

function check({ name, commit, from, follow, 'no-follow': noFollow, 'new-from': newFrom }: TailValues): void {
  if (name === undefined && commit === true) throw new UsageError('--commit needs --name')
  if (name === undefined && newFrom !== undefined) throw new UsageError('--new-from needs --name')
  if (name !== undefined && from !== undefined) {
    throw new UsageError(
      '--from and --name exclude each other: "chronicle readers DIR set NAME PLACE" moves a reader',
    )
  }
  if (follow === true && noFollow === true)
    throw new UsageError('--follow and --no-follow exclude each other')
}

function start(
  log: Chronicle,
  { name, from, 'new-from': newFrom, 'durable-only': durableOnly }: TailValues,
): Tail {
  const common = { keepAlive: true, durableOnly }
  return log.tail(name === undefined ? { ...common, from } : { ...common, name, newFrom })
}

/** Prints what a tail yields. What is printed and not yet written, or not committed, is unsettled. */
class Printer {
  readonly #log: Chronicle
  readonly #tail: Tail
  readonly #options: TailValues
  readonly #out: Output
  readonly #writer: Writer
  #settled = true
  #stopped = false

  constructor(log: Chronicle, tail: Tail, options: TailValues, out: Output) {
    this.#log = log
    this.#tail = tail
    this.#options = options
    this.#out = out
    this.#writer = writerOf(options.format ?? 'text', out, true)
  }

  async run(): Promise<void> {
    const { type, limit = Infinity, 'no-follow': noFollow = false } = this.#options
    const until = noFollow ? this.#head : Infinity
    let left = limit
    if (left > 0 && this.#start < until) {
      for await (const message of this.#tail) {
        this.#settled = false
        const { seq } = message
        const shown = type?.has(message.type) !== false
        const full = shown && this.#writer.message(message)
        if (shown) left--
        const done = left <= 0 || seq + 1 >= until || this.#stopped
        // Whoever is about to wait shows first what there is.
        if (full || done || seq + 1 >= this.#head) await this.#settle(message)
        if (done || this.#stopped) break
      }
    }
    this.#writer.end()
  }

  /** Ends at the next message, or now where none is under way. */
  stop(): void {
    this.#stopped = true
    if (this.#settled) this.#tail.close()
  }

  async #settle(message: Message): Promise<void> {
    await this.#out.flush()
    if (this.#options.commit === true) message.commit()
    this.#settled = true
  }

  get #start(): number {
    return this.#tail.committed ?? seqAt(this.#log, this.#options.from ?? 'end')
  }

  get #head(): number {
    const { nextSeq, durableSeq } = this.#log
    return this.#options['durable-only'] === true ? Math.min(durableSeq, nextSeq) : nextSeq
  }
}

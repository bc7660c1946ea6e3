import type { Message } from '../../index.ts'

import { command } from '../command.ts'
import { formatHelp, formats, writerOf } from '../format.ts'
import { choice, flag, messageTypes, place, whole } from '../kinds.ts'
import { opening, openToRead } from '../open.ts'
import { seqAt } from '../place.ts'

export const cat = command({
  name: 'cat',
  usage: 'DIR',
  args: [1, 1],
  summary: 'Print messages, from the first to the last unless told otherwise.',
  about: formatHelp,
  options: {
    from: place('where to begin; start by default'),
    to: place('where to end: the first message not printed; the end by default'),
    reverse: flag('the last message first', 'r'),
    limit: whole('N', 'the most messages to print', { short: 'n' }),
    type: messageTypes('only messages of these types'),
    format: choice(formats, 'how to print them; text by default'),
    'no-newline': flag('no line feed behind the messages of format raw'),
    'durable-only': flag('only messages that a power cut cannot take'),
    ...opening,
  },
  examples: [
    ['chronicle cat ./orders --from -10', 'the last ten messages'],
    [
      'chronicle cat ./orders --from 10m --type 2 --format ndjson',
      'type 2, of the last ten minutes, as JSON',
    ],
    [
      'chronicle cat ./orders --from 42 --limit 1 --format raw --no-newline > 42.bin',
      'the bytes of one message',
    ],
  ],
  async run({ args: [dir = ''], options, out }) {
    const { from, to, reverse, limit = Infinity, type, format = 'text', 'no-newline': bare = false } = options
    using log = openToRead(dir, options)
    const writer = writerOf(format, out, !bare)
    const messages: Iterable<Message> = log.read({
      from,
      to: to === undefined ? undefined : seqAt(log, to),
      reverse,
      durableOnly: options['durable-only'],
      // With a filter the limit is of what passes it.
      ...(type === undefined && Number.isFinite(limit) && { limit }),
    })
    let left = limit
    for (const message of left > 0 ? messages : []) {
      if (type?.has(message.type) === false) continue
      if (writer.message(message)) await out.flush()
      if (--left <= 0) break
    }
    writer.end()
    return 0
  },
})

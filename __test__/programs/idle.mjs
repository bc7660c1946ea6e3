// Follows a log without keepAlive: ends by itself once there is nothing else to do. `node idle.mjs FOLDER`.
import { join } from 'node:path'

import { Chronicle } from 'chronicle-log'

const log = Chronicle.open(join(process.argv[2] ?? '.', 'idle'))
log.append('first')

async function follow() {
  for await (const message of log.tail({ from: 'start' })) console.log(message.text())
}

void follow()

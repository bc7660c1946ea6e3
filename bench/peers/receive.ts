/** The receiving end of a hand-off: a process, or a worker, of its own. Arguments: the way, and the folder. */
import { connect } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { parentPort } from 'node:worker_threads'

import { Receiver } from '../parts/handoff.ts'
import { RING } from './channel.ts'

const [way, dir] = process.argv.slice(2) as [string, string]

function tell(message: unknown): void {
  if (parentPort === null) process.send!(message)
  else parentPort.postMessage(message)
}

const receiver = new Receiver(tell)

/** The log, once the sender has made it. Not for reading only: such a handle cannot ask to be woken, and polls. */
async function openedLog() {
  const { openLog } = await import('./chronicle.ts')
  for (;;) {
    try {
      return openLog(dir, { create: false, sync: 'none' })
    } catch {
      await pause(10)
    }
  }
}

async function tail(): Promise<void> {
  const log = await openedLog()
  const messages = log.tail({ from: 'start', keepAlive: true })
  tell('ready')
  for await (const message of messages) if (!receiver.take(message.payload)) break
  log.close()
}

async function cursor(wait: number): Promise<void> {
  const log = await openedLog()
  const messages = log.cursor()
  tell('ready')
  const options = wait > 0 ? { wait } : undefined
  for (;;) if (messages.next(options) && !receiver.take(messages.payload)) break
  log.close()
}

function word(memory: SharedArrayBuffer): void {
  const [word, bytes] = [new Int32Array(memory, 0, 1), new Uint8Array(memory, 64)]
  tell('ready')
  for (let seen = 0; ; seen++) {
    while (Atomics.load(word, 0) === seen) Atomics.wait(word, 0, seen)
    if (!receiver.take(bytes.subarray((seen % RING) * 64))) break
  }
}

async function connection(): Promise<void> {
  const socket = connect(`${dir}/socket`)
  socket.on('error', () => pause(10).then(() => socket.connect(`${dir}/socket`)))
  socket.on('connect', () => tell('ready'))
  socket.on('data', (bytes: Buffer) => {
    for (let at = 0; at < bytes.length; at += 64) receiver.take(bytes.subarray(at, at + 64))
  })
}

switch (way) {
  case 'tail':
    await tail()
    break
  case 'blocking':
    await cursor(1000)
    break
  case 'spinning':
    await cursor(0)
    break
  case 'send':
    process.on('message', (message: Uint8Array) => receiver.take(message))
    tell('ready')
    break
  case 'worker':
    parentPort!.on('message', (message: Uint8Array) => receiver.take(message))
    tell('ready')
    break
  case 'futex':
    parentPort!.once('message', word)
    break
  default:
    await connection()
}

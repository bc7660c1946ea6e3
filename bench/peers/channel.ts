import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import type { Worker } from 'node:worker_threads'

/** The sending end of a hand-off. */
export interface Channel {
  send(message: Uint8Array): void
  close(): void
  /** Whether what is sent leaves only when the event loop turns. */
  turn: boolean
}

type End = ChildProcess | Worker
type Sender = (dir: string, end: End) => Promise<Channel>

const log: Sender = async (dir) => {
  const { openLog } = await import('./chronicle.ts')
  const opened = openLog(dir)
  opened.acquire()
  return { send: (message) => void opened.append(message), close: () => opened.close(), turn: false }
}

const send: Sender = async (_dir, end) => ({
  send: (message) => void (end as ChildProcess).send(message),
  close: () => undefined,
  turn: true,
})

const worker: Sender = async (_dir, end) => ({
  send: (message) => (end as Worker).postMessage(message),
  close: () => undefined,
  turn: false,
})

/** Messages of 64 bytes behind a word that is waited on, in memory that threads share. */
export const RING = 1024

/** Less cannot be done to wake somebody. */
const futex: Sender = async (_dir, end) => {
  const memory = new SharedArrayBuffer(64 + RING * 64)
  const [word, bytes] = [new Int32Array(memory, 0, 1), new Uint8Array(memory, 64)]
  ;(end as Worker).postMessage(memory)
  const send = (message: Uint8Array) => {
    bytes.set(message, (Atomics.load(word, 0) % RING) * 64)
    Atomics.add(word, 0, 1)
    Atomics.notify(word, 0)
  }
  return { send, close: () => undefined, turn: false }
}

const socket: Sender = async (dir) => {
  const server = createServer().listen(`${dir}/socket`)
  const [peer] = (await once(server, 'connection')) as [Socket]
  const close = () => {
    peer.destroy()
    server.close()
  }
  return { send: (message) => void peer.write(Uint8Array.from(message)), close, turn: true }
}

export const senders: Record<string, Sender> = {
  tail: log,
  blocking: log,
  spinning: log,
  send,
  worker,
  futex,
  socket,
}

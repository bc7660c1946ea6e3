// An ingest buffer behind an HTTP server. An event is appended before it is answered, so an answered event is not lost when the process
// is killed; a forwarder follows by name and passes events on in batches, at least once, however slow its target is.
//
//   node ingest.ts [folder] [port]
//   curl --data '{"clicked":"buy"}' http://127.0.0.1:8080/events
import { appendFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'

import { Chronicle, type Message } from 'chronicle-log'

const MAX_BYTES = 64 << 10
const BATCH = 100

const folder = process.argv[2] ?? './ingest'
const port = Number(process.argv[3] ?? 8080)
// What the forwarder has passed on is pruned by itself.
const log = Chronicle.open(join(folder, 'log'), { retention: { keepUnread: true } })
log.acquire()

async function bodyOf(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > MAX_BYTES) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

async function receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method !== 'POST' || request.url !== '/events') return void response.writeHead(404).end()
  const body = await bodyOf(request)
  if (body === undefined) return void response.writeHead(413).end()
  const seq = log.append(body)
  // Visible: no end of this process takes it. Where a power cut must not either: `await log.durable(seq)`.
  response.writeHead(201, { 'content-type': 'application/json' }).end(JSON.stringify({ seq }))
}

/** Where the events go to: a file here, in place of a warehouse that is slow and sometimes away. */
async function deliver(batch: readonly Message[]): Promise<void> {
  const lines = batch.map((message) => `${JSON.stringify({ seq: message.seq, event: message.text() })}\n`)
  appendFileSync(join(folder, 'delivered.ndjson'), lines.join(''))
}

async function forward(): Promise<void> {
  let batch: Message[] = []
  for await (const message of log.tail({ name: 'warehouse' })) {
    batch.push(message)
    // A batch is sent when it is full and when there is nothing to wait for.
    if (batch.length < BATCH && message.seq + 1 < log.nextSeq) continue
    await deliver(batch)
    message.commit()
    batch = []
  }
}

const server = createServer((request, response) => {
  receive(request, response).catch((error: unknown) => {
    console.error(error)
    response.writeHead(503).end()
  })
})
server.listen(port, '127.0.0.1', () => {
  console.log(`listening on ${(server.address() as AddressInfo).port}`)
})
await forward()

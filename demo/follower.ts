/** A process that follows the log under a name: writes rows to its standard output, then commits them. */
import { Chronicle } from '../index.ts'
import { obeyParent, tell } from './link.ts'
import { NEWLINE } from './rows.ts'

const WRITE_BYTES = 64 << 10
const TELL_EVERY_MS = 50

const [dir = '', name = '', from = '', received = '', count = '', task = ''] = process.argv.slice(2)
const wanted = Number(received)
const rows = Number(count)
const newline = Uint8Array.of(NEWLINE)
const { timeOrigin } = performance

/** The clock that messages are stamped with, in nanoseconds since the Unix epoch; a double of that size has steps of 256 ns. */
function nowNs(): number {
  return (timeOrigin + performance.now()) * 1e6
}

/** Rows on their way out. */
class Output {
  #parts: Uint8Array[] = []
  #bytes = 0

  get full(): boolean {
    return this.#bytes >= WRITE_BYTES
  }

  add(row: Uint8Array): void {
    this.#parts.push(row, newline)
    this.#bytes += row.length + 1
  }

  /** Resolves once the bytes have left this process: from then on a kill cannot take them. */
  async flush(): Promise<void> {
    const parts = this.#bytes < 2 * WRITE_BYTES ? [Buffer.concat(this.#parts)] : this.#parts
    this.#parts = []
    this.#bytes = 0
    for (const part of parts) await new Promise((resolve) => process.stdout.write(part, resolve))
  }
}

async function follow(log: Chronicle): Promise<void> {
  const startedNs = nowNs()
  const output = new Output()
  let handOffNs: number[] = []
  let repeated = 0
  let toldAt = performance.now()
  let head = 0
  const tail = log.tail({ name, from: 'resume', newFrom: Number(from), keepAlive: true })
  const first = tail.committed ?? 0
  await tell({ ready: { row: first } })
  if (task === 'finish' && first >= rows) return
  for await (const message of tail) {
    const ageNs = nowNs() - Number(message.timestampNs)
    // What was appended before this process came says nothing about the hand-off.
    if (message.timestampNs >= startedNs) handOffNs.push(Math.round(ageNs))
    // Delivery is at least once: a row comes again when the kill fell between its writing and its commit. Its seq tells.
    if (message.seq >= wanted) output.add(message.payload)
    else repeated++
    // Rows go out together: until the output is full, or no more were there at the last look and none are now.
    const next = message.seq + 1
    if (next >= head) head = log.nextSeq
    if (!output.full && next < head) continue
    await output.flush()
    message.commit()
    if (performance.now() - toldAt > TELL_EVERY_MS) {
      await tell({ handOffNs })
      handOffNs = []
      toldAt = performance.now()
    }
    if (task === 'finish' && next === rows) break
  }
  await tell({ handOffNs, repeated })
}

obeyParent()
const log = Chronicle.open(dir)
await follow(log)
log.close()
process.exit(0)

// A process that appends until something runs out, makes room, and goes on. It is plain JavaScript on the built package, as the
// peers of the kill harness are, and ends by itself: with an exception where the log does not do what it must.
import { closeSync, existsSync, openSync, readFileSync, rmSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'

import { Chronicle } from '../../dist/index.mjs'
import { perform, teller } from '../kill/acts.mjs'
import { callOf, textOf } from '../kill/work.mjs'

const NO_SPACE = 'ERR_CHRONICLE_NO_SPACE'
const IO = 'ERR_CHRONICLE_IO'
const POISONED = 'ERR_CHRONICLE_POISONED'

/** What runs out: the codes that may say so, and how there is room again. */
const shortages = {
  none() {
    return { codes: [], again: 0, makeRoom: () => undefined }
  },

  room({ ballast }) {
    return { codes: [NO_SPACE], again: 0, makeRoom: () => rmSync(ballast, { force: true }) }
  },

  /** All descriptors but a few are taken; the limit was set before this process began. */
  descriptors({ left }) {
    const taken = []
    for (;;) {
      try {
        taken.push(openSync('/dev/null'))
      } catch (error) {
        if (error.code !== 'EMFILE') throw error
        break
      }
    }
    const give = (count) => taken.splice(0, count).forEach((file) => closeSync(file))
    give(left)
    // A flush that cannot open what it is to make durable has failed.
    return { codes: [IO, POISONED], again: 0, makeRoom: () => give(taken.length) }
  },

  /** Calls that change or flush files fail, `times` in a row: see `fault/injected/failing.rs`. */
  calls({ errno, times }) {
    return { codes: [errno === 28 ? NO_SPACE : IO, POISONED], again: times, makeRoom: () => undefined }
  },
}

class Starving {
  #task
  #shortage
  #log
  #tell
  #tellReader
  #start = 0
  #seq = 0
  /** Where the named reader is, once there is one. */
  #committed
  /** What has failed, by operation and code. */
  failures = []

  constructor(task) {
    this.#task = task
    // Before descriptors run out.
    this.#tell = teller(task.told)
    this.#tellReader = teller(task.toldReader)
    this.#shortage = shortages[task.shortage.kind](task.shortage)
  }

  /** Does something until it succeeds, where it may fail. What fails with the right code makes room. */
  #attempt(doing, act) {
    for (let again = this.#shortage.again; ; again--) {
      try {
        return act()
      } catch (error) {
        if (!this.#shortage.codes.includes(error.code)) throw error
        if (this.failures.length > 0 && again < 0) {
          throw new Error(`${doing} fails although there is room again: ${error.message}`, { cause: error })
        }
        this.failures.push(`${doing}: ${error.code}`)
        if (error.code === POISONED) throw error
        if (doing !== 'open') this.#holds()
        this.#shortage.makeRoom()
      }
    }
  }

  /** All that was acknowledged can be read, and nothing else. */
  #holds() {
    const log = this.#log
    if (log.nextSeq !== this.#seq) throw new Error(`nextSeq is ${log.nextSeq}, not ${this.#seq}`)
    // Without descriptors segments cannot be opened to be read.
    if (this.#task.shortage.kind === 'descriptors') return
    let next = log.firstSeq
    for (const message of log.read()) {
      if (message.seq !== next) throw new Error(`read ${message.seq}, not ${next}`)
      if (next >= this.#start && message.text() !== textOf(this.#task.seed, this.#task.life, next)) {
        throw new Error(`message ${next} holds something else`)
      }
      next++
    }
    if (next !== this.#seq) throw new Error(`reading ended at ${next}, not ${this.#seq}`)
  }

  #open() {
    const { dir, sync } = this.#task
    this.#log = this.#attempt('open', () => {
      const log = Chronicle.open(dir, { segmentBytes: 65_536, sync })
      try {
        log.acquire()
        return log
      } catch (error) {
        log.close()
        throw error
      }
    })
    this.#start = this.#seq = this.#log.nextSeq
    this.#tell(this.#start, this.#start, this.#start)
    this.#committed = this.#attempt('readers', () => this.#log.readers())[0]?.nextSeq
  }

  #append() {
    const { seed, life } = this.#task
    const call = callOf(seed, life, this.#seq)
    this.#tell(this.#start, this.#seq, this.#seq + call.size)
    const last = this.#attempt(call.kind, () => perform(this.#log, call, this.#task, this.#seq))
    if (last !== this.#seq + call.size - 1) throw new Error(`${call.kind} at ${this.#seq} ended at ${last}`)
    this.#seq = last + 1
    this.#tell(this.#start, this.#seq, this.#seq)
  }

  #commit() {
    const log = this.#log
    const to = Math.max(this.#committed ?? 0, log.firstSeq, this.#seq - 50)
    // A reader that cannot be made is not there: only of one that is there is something to tell.
    if (this.#committed !== undefined) this.#tellReader(0, this.#committed, to)
    this.#attempt('commit', () => log.setReader('billing', to))
    this.#committed = to
    this.#tellReader(0, to, to)
  }

  async #sync() {
    for (let again = this.#shortage.again; ; again--) {
      try {
        const durable = await this.#log.sync()
        if (durable < this.#seq) throw new Error(`sync told ${durable}, not ${this.#seq}`)
        return
      } catch (error) {
        if (!this.#shortage.codes.includes(error.code) || again <= 0) throw error
        this.failures.push(`sync: ${error.code}`)
        if (error.code === POISONED) throw error
      }
    }
  }

  async #step(number) {
    this.#append()
    if (number % 60 === 59) this.#commit()
    if (number % 100 === 99) await this.#sync()
    if (number % 250 === 249) {
      this.#attempt('prune', () => this.#log.prune({ keepMessages: this.#task.keepMessages }))
    }
    if (number % 120 === 119) this.#attempt('read', () => [...this.#log.read({ limit: 1 })])
  }

  /** A flush that fails must not be a secret: whoever asks for one later is told, also of one by the helper thread. */
  async #requireTold() {
    const { failed } = this.#task.shortage
    const flushes = () => readFileSync(failed, 'utf8').match(/^(Flush|Sync)\b.*$/gm) ?? []
    if (failed === undefined || !existsSync(failed) || flushes().length === 0) return
    // The helper thread writes down what is to fail before it fails.
    for (let look = 0; look < 100 && this.failures.length === 0; look++) {
      await this.#sync()
      await setTimeout(10)
    }
    if (this.failures.length === 0) throw new Error(`nobody was told that a flush failed: ${flushes()[0]}`)
  }

  async run() {
    this.#open()
    const { steps, more } = this.#task
    for (let number = 0; number < steps && this.failures.length === 0; number++) await this.#step(number)
    this.#shortage.makeRoom()
    for (let number = 0; number < more; number++) await this.#step(number)
    this.#commit()
    await this.#sync()
    this.#holds()
    await this.#requireTold()
    this.#log.close()
  }

  /** After a failed flush only another opening goes on. */
  poisoned(error) {
    if (error.code !== POISONED || !this.#shortage.codes.includes(POISONED)) throw error
    this.#log?.close()
  }
}

process.once('disconnect', () => process.exit())
process.once('message', async (task) => {
  const starving = new Starving(task)
  await starving.run().catch((error) => starving.poisoned(error))
  process.send({ failures: starving.failures }, () => process.disconnect())
})

// A process that is going to be killed. It waits for its role, and is plain JavaScript on the built package so that it starts fast.
import { Chronicle } from '../../dist/index.mjs'
import { perform, teller } from './acts.mjs'
import { callOf, textOf, typeOf } from './work.mjs'

function checkMessage(message, seed, expected) {
  const text = message.text()
  const life = Number.parseInt(text, 10)
  if (message.seq !== expected) throw new Error(`got message ${message.seq}, expected ${expected}`)
  if (text !== textOf(seed, life, expected) || message.type !== typeOf(seed, life, expected)) {
    throw new Error(`message ${expected} holds ${text.slice(0, 100)}`)
  }
}

const roles = {
  write(task) {
    const { dir, told, sync, seed, life } = task
    const log = Chronicle.open(dir, { segmentBytes: 65_536, sync })
    log.acquire({ wait: 20_000 })
    const tell = teller(told)
    const start = log.nextSeq
    tell(start, start, start)
    process.send({ ready: true })
    let seq = start
    const step = () => {
      for (let count = 0; count < 1000; count++) {
        const call = callOf(seed, life, seq)
        tell(start, seq, seq + call.size)
        const last = perform(log, call, task, seq)
        if (last !== seq + call.size - 1) throw new Error(`${call.kind} at ${seq} ended at ${last}`)
        seq = last + 1
      }
      setImmediate(step)
    }
    setImmediate(step)
  },

  async tail({ dir, seed, from }) {
    const log = Chronicle.open(dir, { readOnly: true })
    const tail = log.tail({ from, keepAlive: true })
    process.send({ ready: true })
    let expected
    try {
      for await (const message of tail) {
        checkMessage(message, seed, expected ?? message.seq)
        expected = message.seq + 1
      }
    } catch (error) {
      // A pruner was here.
      if (error.code !== 'ERR_CHRONICLE_GAP') throw error
      setInterval(() => undefined, 1000)
    }
  },

  async commit({ dir, told, seed, name }) {
    const log = Chronicle.open(dir)
    let tail
    for (;;) {
      try {
        tail = log.tail({ name, keepAlive: true })
        break
      } catch (error) {
        if (error.code !== 'ERR_CHRONICLE_GAP') throw error
        log.setReader(name, error.first)
      }
    }
    const tell = teller(told)
    const start = tail.committed
    tell(start, start, start)
    process.send({ ready: true })
    let expected = start
    let committed = start
    for await (const message of tail) {
      checkMessage(message, seed, expected)
      expected = message.seq + 1
      if (message.seq % 3 === 0) {
        tell(start, committed, expected)
        message.commit()
        committed = expected
        tell(start, committed, expected)
      }
    }
  },

  prune({ dir, keepMessages }) {
    const log = Chronicle.open(dir)
    process.send({ ready: true })
    setInterval(() => log.prune({ keepMessages }), 1)
  },
}

// Nobody is left to kill it.
process.once('disconnect', () => process.exit())
process.once('message', (task) => roles[task.role](task))
process.send({ started: true })

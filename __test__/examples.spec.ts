import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

import test from 'ava'

import { Chronicle } from '../index.ts'
import { Example, kill } from './helpers/example.ts'
import { readText, root } from './helpers/repository.ts'
import { nodes } from './helpers/runtimes.ts'

const programs = readdirSync(join(root, 'examples')).filter((name) => /(?<!\.d)\.ts$/.test(name))

test('each example is short, written as by a user, and listed', (t) => {
  const list = readText('examples/README.md')
  t.deepEqual(
    [...list.matchAll(/^\| \[(\w+\.ts)\]\(\1\) \|/gm)].map((match) => match[1]).toSorted(),
    programs.toSorted(),
  )
  for (const name of programs) {
    const text = readText(`examples/${name}`)
    t.true(text.trimEnd().split('\n').length < 80, `${name} is too long`)
    t.true(
      readText('__test__/examples.spec.ts').includes(`'${name.replace('.ts', '')}'`),
      `${name} has no test`,
    )
    t.regex(text, /from 'chronicle-log'/)
    t.notRegex(text, /from '\./, `${name} needs another file`)
  }
})

test('account: of two decisions on the same balance one is made again and refused', (t) => {
  const account = new Example(t, 'account')
  const conflict = 'withdrawn: decided on event 2, the log is at 3'
  t.deepEqual(account.run('log'), [
    conflict,
    'refused: shoes: 2000 cents do not cover 7000',
    'Ada has 20 after 3 events',
  ])
  // The second run finds the events of the first: 20 and 100 pay the rent, and then not the shoes.
  t.deepEqual(account.run('log').slice(1), [
    'refused: shoes: 4000 cents do not cover 7000',
    'Ada has 40 after 5 events',
  ])
})

const withSqlite = nodes().find(
  ({ path }) => spawnSync(path, ['--no-warnings', '-e', 'require("node:sqlite")']).status === 0,
)

;(withSqlite === undefined ? test.skip : test)(
  'outbox: killed at any time it hands over each event once',
  async (t) => {
    const outbox = new Example(t, 'outbox', { node: withSqlite })
    // Until a kill has come between the log's having an event and the outbox's forgetting it.
    let between = false
    for (let kills = 0; kills < 200 && !between; kills++) {
      const { child, line } = await outbox.start('shop', '1e9')
      const [, next, first] = line.match(/\d+/g) ?? []
      between = Number(first) < Number(next)
      await pause(Math.random() * 60)
      await kill(child)
    }
    t.true(between)
    const [, orders, events] = /(\d+) orders, (\d+) events/.exec(outbox.run('shop', '0').at(-1) ?? '') ?? []
    t.is(events, orders)
    const log = Chronicle.open(join(outbox.folder, 'shop/events'), { readOnly: true })
    t.teardown(() => log.close())
    const handedOver = [...log.read()].map((message) => message.json<{ order: number }>().order)
    t.deepEqual(
      handedOver,
      Array.from({ length: Number(orders) }, (_, index) => index + 1),
    )
  },
)

/** Posts events until the server is gone, and notes which seq each of them was answered with. */
async function post(port: string, answered: Map<string, number>, name: string): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  for (let count = 0; ; count++) {
    const event = JSON.stringify({ name, count })
    try {
      answered.set(event, (JSON.parse(await postOne(port, agent, event)) as { seq: number }).seq)
    } catch {
      return agent.destroy()
    }
  }
}

function postOne(port: string, agent: Agent, event: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, path: '/events', method: 'POST', agent }
    const call = request(options, (response) => {
      let text = ''
      response
        .setEncoding('utf8')
        .on('data', (chunk: string) => (text += chunk))
        .on('end', () => (response.statusCode === 201 ? resolve(text) : reject(new Error(text))))
        .on('error', reject)
    })
    call.on('error', reject).end(event)
  })
}

test('ingest: no event that was answered is lost when the server is killed under load', async (t) => {
  const ingest = new Example(t, 'ingest')
  const answered = new Map<string, number>()
  const serve = async () => {
    const { child, line } = await ingest.start('data', '0')
    return { child, port: line.replace('listening on ', '') }
  }
  for (let round = 0; round < 3; round++) {
    const { child, port } = await serve()
    const clients = Array.from({ length: 8 }, (_, index) => post(port, answered, `${round}/${index}`))
    const before = answered.size
    while (answered.size < before + 200) await pause(5)
    await kill(child)
    await Promise.all(clients)
  }

  const { child } = await serve()
  const log = Chronicle.open(join(ingest.folder, 'data/log'), { readOnly: true })
  t.teardown(() => log.close())
  const sound = [...log.read()].map(({ seq }) => seq)
  t.true(sound.length >= 600)
  while (log.readers()[0]?.lag !== 0) await pause(10)
  await kill(child)

  const delivered = new Map<string, number>()
  for (const line of readFileSync(join(ingest.folder, 'data/delivered.ndjson'), 'utf8')
    .trimEnd()
    .split('\n')) {
    const { seq, event } = JSON.parse(line) as { seq: number; event: string }
    const known = delivered.get(event) ?? seq
    // Twice is allowed, under the same number.
    t.is(known, seq)
    delivered.set(event, seq)
  }
  for (const [event, seq] of answered) if (delivered.get(event) !== seq) t.fail(`${event} was lost`)
  t.is(delivered.size, log.nextSeq)
})

test('market: a recording is complete and replayed in the order and at the distances of its ticks', (t) => {
  const market = new Example(t, 'market')
  const stocks = join(root, 'node_modules/vega-datasets/data/stocks.csv')
  t.deepEqual(market.run('record', stocks), ['recorded 560 ticks'])
  // What is recorded already is not recorded again.
  t.deepEqual(market.run('record', stocks), ['recorded 560 ticks'])
  const replayed = market.run('replay', './market', '1e12', 'AAPL')
  const rows = readFileSync(stocks, 'utf8')
    .split('\n')
    .filter((row) => row.startsWith('AAPL'))
  t.deepEqual(
    replayed.map((line) => line.split(' ').slice(3)),
    rows.map((row) => ['AAPL', `${Number(row.split(',')[2])}`]),
  )
  const year = 366 * 86_400_000
  const due = (speed: number): number => {
    const line = market
      .run('replay', './market', `${speed}`, 'AAPL')
      .find((text) => text.includes('2001-01-01'))
    return Number(line?.split(' ')[0])
  }
  t.is(due(1e11).toFixed(1), (year / 1e11).toFixed(1))
  t.is(due(1e10).toFixed(1), (year / 1e10).toFixed(1))
})

test('pool: the workers together read each message once', (t) => {
  const pool = new Example(t, 'pool')
  const text = join(pool.folder, 'text.txt')
  writeFileSync(text, readText('docs/FORMAT.md'))
  const words =
    readText('docs/FORMAT.md')
      .toLowerCase()
      .match(/\p{L}+/gu) ?? []
  const the = words.filter((word) => word === 'the').length
  const lines = readText('docs/FORMAT.md').trimEnd().split('\n').length
  for (const workers of ['1', '3']) {
    const [summary, first] = pool.run(text, 'log', workers)
    t.is(summary, `${lines} lines, ${workers} workers, ${new Set(words).size} words`)
    t.is(first, `${the} the`)
  }
})

test('opentelemetry: it is told of events, of the state and of problems', (t) => {
  const telemetry = new Example(t, 'opentelemetry', { modules: ['@opentelemetry'] })
  const output = telemetry.run('log').join('\n')
  /** The values of the points of an instrument, as the console exporter prints them. */
  const values = (name: string) => {
    const [, printed = ''] = output.split(`name: '${name}'`)
    return [...printed.split('descriptor:')[0]!.matchAll(/\bvalue: (\d+)/g)].map(([, value]) => Number(value))
  }
  const log = Chronicle.open(join(telemetry.folder, 'log'), { readOnly: true })
  t.teardown(() => log.close())
  const { segments, nextSeq, firstSeq } = log.stats()
  t.is(nextSeq, 2000)
  t.true(firstSeq > 0)
  const [rolls = 0] = values('chronicle.rolls')
  const [pruned = 0] = values('chronicle.pruned')
  t.is(rolls + 1, segments + pruned / 65_536)
  t.deepEqual(values('chronicle.messages'), [nextSeq - firstSeq])
  t.deepEqual(values('chronicle.messages.undurable'), [0])
  t.deepEqual(values('chronicle.reader.lag'), [2000])
  // The reader that was overtaken.
  t.deepEqual(values('chronicle.problems'), [1])
  t.regex(output, /'chronicle\.sync\.duration'/)
  t.deepEqual(values('chronicle.failures'), [])
})

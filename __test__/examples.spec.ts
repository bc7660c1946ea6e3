/** The examples, run as their readers run them. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

import test, { type ExecutionContext } from 'ava'

import { Chronicle } from '../index.ts'
import { listFiles, readText, root } from './helpers/repository.ts'
import { nowhere } from './helpers/temporary.ts'

/** Runs an example to its end, which must go well, and answers what it printed. */
function run(t: ExecutionContext, name: string, ...args: string[]): string {
  const parameters = ['--import', 'tsx', join(root, 'examples', name), ...args]
  const options = { cwd: root, encoding: 'utf8', timeout: 60_000 } as const
  const { status, stdout, stderr } = spawnSync(process.execPath, parameters, options)
  t.is(status, 0, stderr)
  return stdout
}

test('each example is short, and has a test here', (t) => {
  const examples = listFiles().filter((name) => name.startsWith('examples/') && name.endsWith('.ts'))
  t.true(examples.length > 0)
  for (const name of examples) {
    t.true(readText(name).trimEnd().split('\n').length < 80, name)
    t.true(readText('__test__/examples.spec.ts').includes(`'${name.slice('examples/'.length)}'`), name)
  }
})

test('OpenTelemetry is told of events, of the state and of problems', (t) => {
  const dir = nowhere(t)
  const output = run(t, 'opentelemetry.ts', dir)
  /** The values of the points of an instrument, as the console exporter prints them. */
  const values = (name: string) => {
    const [, printed = ''] = output.split(`name: '${name}'`)
    return [...printed.split('descriptor:')[0]!.matchAll(/\bvalue: (\d+)/g)].map(([, value]) => Number(value))
  }
  const log = Chronicle.open(dir, { readOnly: true })
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

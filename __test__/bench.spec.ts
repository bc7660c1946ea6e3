import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import test, { type ExecutionContext } from 'ava'

import { Histogram, curvePoints } from '../bench/histogram.ts'
import { median, percentile, type Group, type Job, type Line } from '../bench/measure.ts'
import { part as append } from '../bench/parts/append.ts'
import { part as growth } from '../bench/parts/growth.ts'
import { part as latency } from '../bench/parts/latency.ts'
import { part as read } from '../bench/parts/read.ts'
import { makePayloads, toTexts, verify } from '../bench/payloads.ts'
import { toSvg } from '../bench/svg.ts'
import { growthOf, judge, showGrowth, stepName } from '../bench/table.ts'

const options = { dir: '', rounds: 1, full: false, svg: false }

function temporary(t: ExecutionContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'bench-'))
  t.teardown(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}

test('median and percentiles', (t) => {
  t.is(median([3, 1, 2]), 2)
  t.is(median([4, 1, 3, 2]), 2.5)
  const values = Array.from({ length: 100 }, (_, index) => 100 - index)
  t.is(percentile(values, 0.5), 50)
  t.is(percentile(values, 0.99), 99)
  t.is(percentile(values, 1), 100)
})

test('a histogram tells percentiles to within one part in 128', (t) => {
  const histogram = new Histogram()
  for (let value = 1; value <= 1_000_000; value++) histogram.add(value)
  for (const part of [0.0001, 0.5, 0.9, 0.9999]) {
    const exact = part * 1_000_000
    const found = histogram.percentile(part)
    t.true(found >= exact && found <= exact * (1 + 1 / 128), `${part}: ${found} for ${exact}`)
  }
  t.is(histogram.percentile(1), 1_000_000)
  t.is(histogram.total, 1_000_000)
})

test('payloads are distinct, and a wrong answer is found', async (t) => {
  const payloads = makePayloads(64, 1000)
  t.is(new Set(toTexts(payloads)).size, 1000)
  const twice = [...payloads, ...payloads]
  await t.notThrowsAsync(verify(payloads, 2, (see) => twice.forEach((payload) => see(payload))))
  await t.throwsAsync(verify(payloads, 2, (see) => payloads.forEach((payload) => see(payload))))
  await t.throwsAsync(verify(payloads, 2, (see) => twice.toReversed().forEach((payload) => see(payload))))
})

test('a line is held against the fastest of its peers, or against a limit', (t) => {
  const lines: Line[] = [
    { name: 'ours', kind: 'ours', samples: [10, 12, 11] },
    { name: 'slow', kind: 'peer', samples: [100] },
    { name: 'fast', kind: 'peer', samples: [44] },
    { name: 'absent', kind: 'peer', samples: [], missing: 'not there' },
  ]
  const target = { what: 'it', line: 'ours', against: 'peer', must: 4, aim: 5 } as const
  t.like(judge(target, lines), { value: 4, against: 'fast', mark: 'below aim' })
  t.like(judge({ ...target, must: 4.5 }, lines), { mark: 'BELOW MUST' })
  t.like(judge({ ...target, aim: 4 }, lines), { mark: 'ok' })
  t.like(judge({ ...target, against: 'limit', must: 11, aim: 10 }, lines), { value: 11, mark: 'below aim' })
  t.is(judge({ ...target, against: 'java' }, lines), undefined)
})

test('a target without an aim is met by its must, and one may be held against a line of its own side', (t) => {
  const lines: Line[] = [
    { name: 'backward', kind: 'ours', samples: [20] },
    { name: 'forward', kind: 'ours', samples: [10] },
    { name: 'peer', kind: 'peer', samples: [1] },
  ]
  const target = { what: 'it', line: 'backward', against: 'forward' } as const
  t.like(judge({ ...target, must: 0.5 }, lines), { value: 0.5, against: 'forward', mark: 'ok' })
  t.like(judge({ ...target, must: 0.6 }, lines), { mark: 'BELOW MUST' })
})

test('a peer that was tuned for the bench is compared apart from those as they come', (t) => {
  const lines: Line[] = [
    { name: 'log.append(bytes)', kind: 'ours', samples: [10] },
    { name: 'as it comes', kind: 'peer', samples: [50] },
    { name: 'tuned', kind: 'extra', samples: [20] },
  ]
  const [group] = append.groups({ ...options, sizes: [64] }) as [Group]
  const extras = group.contenders.filter(({ kind }) => kind === 'extra')
  t.deepEqual(
    extras.map(({ name }) => name),
    ['fs.createWriteStream, 1000 a wait'],
  )
  const verdicts = group.targets.map((target) => judge(target, lines))
  t.like(verdicts[0], { value: 5, against: 'as it comes', mark: 'below aim' })
  const apart = verdicts.find((verdict) => verdict?.against === 'tuned')
  t.like(apart, { value: 2, mark: '' })
  t.is(apart!.must, undefined)
})

test('every target names a line that is there', (t) => {
  for (const part of [append, read, latency]) {
    for (const { contenders, targets } of part.groups(options)) {
      const names = contenders.map(({ name }) => name)
      for (const { line, against } of targets) {
        t.true(names.includes(line.split(':')[0]!) || names.includes(line), line)
        t.true(['peer', 'java', 'extra', 'floor', 'limit', ...names].includes(against), against)
      }
    }
  }
})

for (const way of [
  'cursorViews',
  'iteratorViews',
  'reverse',
  'iteratorText',
  'cursorText',
  'iteratorJson',
  'cursorJson',
]) {
  test(`reading by ${way} finds what was written`, async (t) => {
    const text = way.endsWith('Text') || way.endsWith('Json')
    const size = way.endsWith('Views') ? 65_536 : 64
    const job: Job = { part: 'read', peer: 'chronicle', way, size, count: 20, text }
    const { values } = await read.run(job, temporary(t))
    t.true(values['']! > 0)
  })
}

const tiny: Record<string, string> = {
  size: '1048576,2097152',
  readers: '1,2',
  payloads: '16,65536',
  positions: '1,20',
  segments: '1,3',
}

for (const group of growth.groups(options)) {
  const [{ job, name, kind }] = group.contenders as [Group['contenders'][0]]
  test(`growth has every operation at every step: ${name}`, async (t) => {
    const steps = tiny[name]!.split(',')
    const { values } = await growth.run({ ...job, steps: tiny[name]! }, temporary(t))
    const lines = Object.entries(values).map(([key, value]): Line => ({
      name: `${name}: ${key}`,
      kind,
      samples: [value],
    }))
    const found = growthOf(group, lines)
    t.true(found.length >= 4)
    for (const { operation, values: figures } of found) {
      t.is(figures.length, steps.length, operation)
      if (process.platform === 'linux')
        t.true(
          figures.every((figure) => figure > 0),
          operation,
        )
    }
  })
}

test('what more than doubles from the first step to the last is marked', (t) => {
  const contender = { name: 'log', kind: 'ours', job: { part: 'growth' } } as const
  const group: Group = {
    title: 'growth',
    unit: '',
    contenders: [contender],
    targets: [],
    steps: ['1', '2', '3'],
  }
  const line = (operation: string, step: string, value: number): Line => ({
    name: `log: ${stepName(operation, step)}`,
    kind: 'ours',
    samples: [value],
  })
  const lines = ['1', '2', '3'].flatMap((step, index) => [
    line('flat', step, [10, 50, 20][index]!),
    line('steep', step, [10, 15, 21][index]!),
  ])
  t.deepEqual(
    growthOf(group, lines).map(({ operation, ratio, grows }) => ({ operation, ratio, grows })),
    [
      { operation: 'flat', ratio: 2, grows: false },
      { operation: 'steep', ratio: 2.1, grows: true },
    ],
  )
  const shown = showGrowth(group, lines).split('\n')
  t.regex(shown[2]!, /^flat +10.0 +50.0 +20.0 +2.00x$/)
  t.regex(shown[3]!, /^steep +10.0 +15.0 +21.0 +2.10x +GROWS$/)
  const missing: Line[] = [{ name: 'log', kind: 'ours', samples: [], missing: 'no room' }]
  t.regex(showGrowth(group, missing), /not available: no room/)
})

test('a percentile curve ends with the greatest value, and its picture has names, units and both grounds', (t) => {
  const histogram = new Histogram()
  for (let value = 1; value <= 100_000; value++) histogram.add(value)
  const points = curvePoints(histogram)
  t.deepEqual(points.at(-1), [5, 100_000])
  t.deepEqual(
    points.map(([nines]) => nines),
    points.map(([nines]) => nines).toSorted((a, b) => a - b),
  )
  t.true(points.some(([nines, ns]) => nines === 4 && ns >= 99_990 && ns <= 100_000))
  const svg = toSvg('A < B', 'two lines', [
    { label: 'first', points },
    { label: 'second', points },
  ])
  for (const part of [
    '<title>A &lt; B</title>',
    '99.99 %',
    '10 µs',
    'first, max 100 µs',
    'prefers-color-scheme:dark',
  ]) {
    t.true(svg.includes(part), part)
  }
  t.is(svg.match(/<polyline/g)?.length, 2)
  t.false(/NaN|undefined/.test(svg))
})

import test from 'ava'

import { Histogram } from '../bench/histogram.ts'
import { median, percentile, type Line } from '../bench/measure.ts'
import { makePayloads, toTexts, verify } from '../bench/payloads.ts'
import { judge } from '../bench/table.ts'

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

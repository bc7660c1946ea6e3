/**
 * A log under OpenTelemetry: events of `node:diagnostics_channel` become counters, and `stats()` and `health()` become gauges that
 * are read at each export. Here they are printed; `node --import tsx examples/opentelemetry.ts DIR` shows it.
 */
import { subscribe } from 'node:diagnostics_channel'

import { metrics } from '@opentelemetry/api'
import {
  ConsoleMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import { Chronicle, type DiagnosticsEvents } from 'chronicle-log'

/** Calls `handle` with what a channel publishes. */
function on<K extends keyof DiagnosticsEvents>(name: K, handle: (event: DiagnosticsEvents[K]) => void): void {
  subscribe(name, (event) => handle(event as DiagnosticsEvents[K]))
}

/** Counts what happens to every log of this process. To be called before a log is opened. */
function countEvents(): void {
  const meter = metrics.getMeter('chronicle-log')
  const rolls = meter.createCounter('chronicle.rolls', { description: 'New segments' })
  const pruned = meter.createCounter('chronicle.pruned', { unit: 'By', description: 'Bytes given back' })
  const syncs = meter.createHistogram('chronicle.sync.duration', { unit: 'ms', description: 'Of a flush' })
  const failures = meter.createCounter('chronicle.failures', { description: 'Of flushes, prunes, reads' })
  on('chronicle-log:roll', ({ path }) => rolls.add(1, { path }))
  on('chronicle-log:prune', ({ path, bytes = 0, failure }) => {
    pruned.add(bytes, { path })
    if (failure !== undefined) failures.add(1, { path, kind: 'prune' })
  })
  on('chronicle-log:sync', ({ path, ms = 0, failure }) => {
    if (failure === undefined) syncs.record(ms, { path })
    else failures.add(1, { path, kind: 'sync' })
  })
  on('chronicle-log:gap', ({ path }) => failures.add(1, { path, kind: 'gap' }))
  on('chronicle-log:corruption', ({ path, code }) => failures.add(1, { path, kind: code }))
}

/** Tells how a log stands, at each export. */
function watch(log: Chronicle): void {
  const meter = metrics.getMeter('chronicle-log')
  const gauge = (name: string, unit = '1') => meter.createObservableGauge(name, { unit })
  const messages = gauge('chronicle.messages')
  const undurable = gauge('chronicle.messages.undurable')
  const bytes = gauge('chronicle.size', 'By')
  const lag = gauge('chronicle.reader.lag')
  const problems = gauge('chronicle.problems')
  meter.addBatchObservableCallback(
    (result) => {
      if (log.closed) return
      const [{ path }, stats] = [log, log.stats()]
      result.observe(messages, stats.nextSeq - stats.firstSeq, { path })
      result.observe(undurable, stats.nextSeq - stats.durableSeq, { path })
      result.observe(bytes, stats.bytes, { path })
      for (const reader of stats.readers) result.observe(lag, reader.lag, { path, reader: reader.name })
      result.observe(problems, log.health({ maxLag: 10_000 }).problems.length, { path })
    },
    [messages, undurable, bytes, lag, problems],
  )
}

const reader = new PeriodicExportingMetricReader({ exporter: new ConsoleMetricExporter() })
const provider = new MeterProvider({ readers: [reader] })
metrics.setGlobalMeterProvider(provider)
countEvents()

const log = Chronicle.open(process.argv[2] ?? './orders', { segmentBytes: 65_536 })
watch(log)
log.setReader('billing', 0)
for (let order = 0; order < 2000; order++) log.append(JSON.stringify({ order }), { type: 1 })
await log.sync()
log.prune({ keepMessages: 500, keepUnread: false })
// Rolls, prunes and flushes are told in a later turn of the event loop.
await new Promise((resolve) => setTimeout(resolve, 50))
await provider.shutdown()
log.close()

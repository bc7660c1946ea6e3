import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'

/** A histogram of nanoseconds, up to an hour, with three significant digits. */
export function nanoseconds(): RecordableHistogram {
  return createHistogram({ lowest: 1, highest: 3_600_000_000_000, figures: 3 })
}

/** Adds times to a histogram, which begins at 1. */
export function record(histogram: RecordableHistogram, times: readonly number[]): void {
  for (const ns of times) histogram.record(Math.max(1, ns))
}

/** A percentile as people read it; a dash where nothing was measured. */
export function percentile(histogram: RecordableHistogram, percent: number): string {
  if (histogram.count === 0) return '-'
  const ns = histogram.percentile(percent)
  if (ns < 1000) return `${ns} ns`
  return ns < 1_000_000 ? `${(ns / 1000).toFixed(1)} µs` : `${(ns / 1_000_000).toFixed(1)} ms`
}

/** A random whole number from `low` up to, but not including, `high`; `low` where there is none between. */
export function between(low: number, high: number): number {
  return Math.floor(low + Math.random() * (high - low))
}

/** A number as people read it. */
export function grouped(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}

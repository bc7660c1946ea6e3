import { median, type Group, type Line, type Target } from './measure.ts'

/** What came of a target. */
export interface Verdict {
  what: string
  /** How many times faster than `against`, or the figure itself where that is a limit. */
  value: number
  /** The same by processor time, which other programs on the machine disturb less. */
  byCpu?: number
  against: string
  must?: number
  aim?: number
  mark: Mark
}

type Mark = 'ok' | 'below aim' | 'BELOW MUST' | ''

/** An operation at the steps of something that grows. */
export interface Growth {
  operation: string
  values: number[]
  /** The last step to the first. */
  ratio: number
  /** Whether that is more than `GROWS`. */
  grows: boolean
}

/** What costs more than so many times what it did at the first step is marked. */
const GROWS = 2
const AT = ' @ '

export function figure(value: number): string {
  if (!Number.isFinite(value)) return '-'
  const digits = value < 10 ? 2 : value < 100 ? 1 : 0
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })
}

/** The line that the target is about against the fastest of the others, or against the limit. */
export function judge(target: Target, lines: readonly Line[]): Verdict | undefined {
  const ours = lines.find((line) => line.name === target.line)
  if (ours === undefined || ours.samples.length === 0) return undefined
  const { what, must, aim } = target
  const value = median(ours.samples)
  const limits = { ...(must === undefined ? {} : { must }), ...(aim === undefined ? {} : { aim }) }
  if (target.against === 'limit') {
    return { what, value, against: 'limit', ...limits, mark: markOf((limit) => value <= limit, must, aim) }
  }
  const others = lines.filter(
    (line) => (line.kind === target.against || line.name === target.against) && line.samples.length > 0,
  )
  const fastest = others.toSorted((a, b) => median(a.samples) - median(b.samples))[0]
  if (fastest === undefined) return undefined
  const ratio = median(fastest.samples) / value
  const mark = markOf((limit) => ratio >= limit, must, aim)
  const cpu = others.flatMap((line) => (line.cpu === undefined ? [] : [median(line.cpu)]))
  const byCpu =
    ours.cpu === undefined || cpu.length === 0 ? {} : { byCpu: Math.min(...cpu) / median(ours.cpu) }
  return { what, value: ratio, ...byCpu, against: fastest.name, ...limits, mark }
}

function markOf(reaches: (limit: number) => boolean, must?: number, aim = must): Mark {
  if (must === undefined || aim === undefined) return ''
  if (!reaches(must)) return 'BELOW MUST'
  return reaches(aim) ? 'ok' : 'below aim'
}

/** What a line is named that is an operation at a step. */
export function stepName(operation: string, step: string): string {
  return `${operation}${AT}${step}`
}

/** The lines of a group with steps, by operation. */
export function growthOf(group: Group, lines: readonly Line[]): Growth[] {
  const prefix = `${group.contenders[0]!.name}: `
  const operations = new Map<string, number[]>()
  for (const { name, samples } of lines) {
    if (samples.length === 0) continue
    const operation = name.slice(prefix.length, name.lastIndexOf(AT))
    operations.set(operation, [...(operations.get(operation) ?? []), median(samples)])
  }
  return [...operations].map(([operation, values]) => {
    const ratio = values.at(-1)! / values[0]!
    return { operation, values, ratio, grows: ratio > GROWS }
  })
}

/** A group with steps: a line for each operation. */
export function showGrowth(group: Group, lines: readonly Line[]): string {
  const missing = lines.find((line) => line.missing !== undefined)?.missing
  if (missing !== undefined) return `${group.title}\nnot available: ${missing}`
  const rows = growthOf(group, lines).map(({ operation, values, ratio, grows }) =>
    [operation].concat(values.map(figure), `${figure(ratio)}x`, grows ? 'GROWS' : ''),
  )
  return [group.title, columns([['', ...group.steps!, 'last to first', ''], ...rows])].join('\n')
}

/** Lines with their columns padded; the first column is text, the others are aligned to the right. */
export function columns(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  return rows
    .map((row) =>
      row
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** A group's figures. */
export function showLines(group: Group, lines: readonly Line[]): string {
  const best = Math.min(...lines.flatMap(({ samples }) => (samples.length > 0 ? [median(samples)] : [])))
  const rows = lines.map(({ name, samples, cpu, missing }) =>
    missing === undefined
      ? [
          name,
          figure(median(samples)),
          `${figure(Math.min(...samples))} – ${figure(Math.max(...samples))}`,
          `${figure(median(samples) / best)}x`,
          cpu === undefined ? '' : figure(median(cpu)),
        ]
      : [name, '-', `not available: ${missing}`, '', ''],
  )
  const notes = [...new Set(lines.flatMap(({ note }) => (note === undefined ? [] : [note])))]
  return [
    `${group.title} (${group.unit})`,
    columns([['', 'median', 'min – max', 'to fastest', 'processor time'], ...rows]),
    ...notes,
  ].join('\n')
}

/** The verdicts on all groups, in one table. */
export function showVerdicts(verdicts: readonly { group: string; verdict: Verdict }[]): string {
  const rows = verdicts.map(({ group, verdict: { what, value, byCpu, against, must, aim, mark } }) => {
    const ratio = against === 'limit' ? '' : 'x'
    const limit = (part?: number) => (part === undefined ? '' : `${part}${ratio}`)
    const cpu = byCpu === undefined ? '' : `${figure(byCpu)}x`
    return [`${group}: ${what}`, `${figure(value)}${ratio}`, limit(must), limit(aim), mark, cpu, against]
  })
  return columns([['', 'measured', 'must', 'aim', '', 'by processor time', 'against'], ...rows])
}

/** What a run is asked for. */
export interface Task {
  readonly seed: number
  /** How many cases or kills, where that is given. */
  readonly count: number | undefined
  /** When to stop, in milliseconds of the clock, where that is given. */
  readonly until: number | undefined
  /** Whether every bit is flipped, instead of a choice of them. */
  readonly everyBit: boolean
  /** Whether processes end themselves at places in the core too, which a native part with such places does. */
  readonly points: boolean
  /** How many findings end the run: the first ones tell. */
  readonly most: number
  /** A case that takes longer, in milliseconds, hangs. */
  readonly hangMs: number
  /** Where directories of findings are kept. */
  readonly keep: string
  readonly progress: (line: string) => void
  /** Tells of a finding at once: a run may be long. */
  readonly report: (finding: Finding) => void
}

/** Something that must never happen. */
export interface Finding {
  readonly kind:
    'lost' | 'invented' | 'wrong' | 'crash' | 'hang' | 'untyped' | 'changed' | 'memory' | 'position'
  readonly what: string
  /** The directory as it was left, kept to be looked at. */
  readonly kept: string
  /** How to see it again. */
  readonly command: string
}

/** What a harness did. */
export interface Summary {
  /** What was counted, by name: cases, kills, messages. */
  readonly counts: Readonly<Record<string, number>>
  readonly findings: readonly Finding[]
}

export interface Harness {
  readonly name: string
  readonly what: string
  /** The count of the short form, which CI runs. */
  readonly short: number
  readonly run: (task: Task) => Promise<Summary>
  /** Faults that can be planted in the core, each of which this harness finds within `count` cases. */
  readonly planted: { readonly count: number; readonly names: readonly string[] }
}

/** Tells of a finding and keeps it for the summary. */
export function found(task: Task, findings: Finding[], finding: Finding): void {
  findings.push(finding)
  task.report(finding)
}

/** Whether a run goes on. */
export function goesOn({ count, until, most }: Task, done: number, findings: readonly Finding[]): boolean {
  if (findings.length >= most) return false
  if (count !== undefined) return done < count
  return until !== undefined && Date.now() < until
}

/** Adds up counts by name. */
export function add(total: Record<string, number>, more: Readonly<Record<string, number>>): void {
  for (const [name, count] of Object.entries(more)) total[name] = (total[name] ?? 0) + count
}

import { type Finding, type Harness, type Task } from './harness.ts'

/** A planted hang need not be waited for as long as a machine under load needs. */
const HANG_MS = 5000

/** Plants each fault in the processes of a harness, and tells which of them it does not find. */
export async function missed(harness: Harness, names: readonly string[], task: Task): Promise<string[]> {
  const left: string[] = []
  for (const name of names) {
    // The core of a process looks at this when it is first asked.
    process.env['CHRONICLE_PLANT'] = name
    const started = Date.now()
    const { counts, findings } = await harness.run({
      ...task,
      count: harness.planted.count,
      most: 1,
      hangMs: HANG_MS,
    })
    delete process.env['CHRONICLE_PLANT']
    if (findings.length === 0) left.push(name)
    console.log(`${harness.name}: ${name} was ${outcome(findings, counts)}, ${Date.now() - started} ms`)
  }
  return left
}

function outcome([finding]: readonly Finding[], counts: Readonly<Record<string, number>>): string {
  const [[what, count] = ['cases', 0]] = Object.entries(counts)
  if (finding === undefined) return `not found in ${count} ${what}`
  return `found: ${finding.kind}: ${finding.what.split('\n')[0]!.slice(0, 100)}`
}

/** Runs one job, given as JSON with a folder to work in, and prints its outcome as JSON. */
import type { Job, Part } from './measure.ts'

const job = JSON.parse(process.argv[2]!) as Job
const { part } = (await import(`./parts/${job.part}.ts`)) as { part: Part }
const outcome = await part.run(job, process.argv[3]!)
process.stdout.write(`${JSON.stringify(outcome)}\n`, () => process.exit(0))

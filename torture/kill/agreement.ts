import { Chronicle, verify } from '../../index.ts'
import { Violation } from './ledger.ts'

/** The package itself finds a sound log in `dir` that ends before `end`, and goes on there. */
export async function requireAgreement(dir: string, end: number): Promise<void> {
  const { problems } = await verify(dir)
  const data = problems.find(({ severity }) => severity === 'data')
  if (data !== undefined) throw new Violation('wrong', `verify: ${data.message}`)
  const log = Chronicle.open(dir)
  try {
    log.acquire()
    if (log.nextSeq !== end) {
      throw new Violation('lost', `opening for writing ended at ${log.nextSeq}, not ${end}`)
    }
    let next = log.firstSeq
    for (const { seq } of log.read()) if (seq !== next++) throw new Violation('lost', `read ${seq}`)
    if (next !== log.nextSeq) throw new Violation('lost', `reading ended at ${next} of ${log.nextSeq}`)
  } finally {
    log.close()
  }
}

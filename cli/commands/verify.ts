import { verify as verifyLog, type Problem, type VerifyReport } from '../../index.ts'

import { command } from '../command.ts'
import { flag } from '../kinds.ts'
import { measured } from '../progress.ts'
import { bytes, many, type Style } from '../style.ts'

const costs = {
  data: 'messages cannot be read',
  unfinished: 'a crash left it; the next opening for writing mends it',
  derived: 'reading is slower until an index is made again',
}

export const verify = command({
  name: 'verify',
  usage: 'DIR',
  args: [1, 1],
  summary: 'Read everything, check every checksum, and say what is wrong. Changes nothing.',
  about: ['Processes may write and read meanwhile. Exit code 1 where the chronicle is not sound.'],
  options: { json: flag('as JSON') },
  examples: [['chronicle verify ./orders && backup ./orders', 'copy only what is sound']],
  async run({ args: [dir = ''], options, out }) {
    const report = await measured('verifying', (onProgress) => verifyLog(dir, { onProgress }))
    if (options.json === true) out.text(`${JSON.stringify(report, null, 2)}\n`)
    else out.text(describe(dir, report, out.style))
    return report.sound ? 0 : 1
  },
})

function describe(dir: string, report: VerifyReport, style: Style): string {
  const { sound, segments, messages, payloadBytes, firstSeq, nextSeq, readers, problems } = report
  const verdict = sound ? style.green('sound') : style.red('not sound')
  const range = messages === 0 ? '' : `, seq ${firstSeq} to ${nextSeq - 1}`
  const lines = [
    `${dir} is ${verdict}`,
    `  ${many(messages, 'message')} in ${many(segments, 'segment')}${range}`,
    `  ${bytes(payloadBytes)} of payload, ${many(readers, 'named reader')}`,
    ...problems.flatMap((problem) => describeProblem(problem, style)),
  ]
  if (problems.some(({ severity }) => severity === 'data')) {
    lines.push(
      'Restore the files from a copy, or run "chronicle repair": it cuts the log at its first damage and keeps a copy',
      'of what it cuts.',
    )
  } else if (problems.some(({ severity }) => severity === 'unfinished')) {
    lines.push('Nothing is lost. "chronicle repair" mends it now, the next writer would too.')
  }
  return `${lines.join('\n')}\n`
}

function describeProblem({ severity, code, message }: Problem, style: Style): string[] {
  const paint = severity === 'data' ? style.red : style.yellow
  return [`  ${paint(severity)}: ${message}`, `    ${style.dim(`${code}: ${costs[severity]}`)}`]
}

import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, statSync } from 'node:fs'
import { delimiter, join, resolve } from 'node:path'

import type { Contender, Outcome } from '../measure.ts'
import { Sum } from '../payloads.ts'

const sources = resolve('bench/java')
const built = resolve('.cache/bench-java')

/** What Java 17 keeps from libraries unless told: the list that Chronicle Queue's documentation gives. */
const opens = [
  '--add-exports=java.base/jdk.internal.ref=ALL-UNNAMED',
  '--add-exports=java.base/sun.nio.ch=ALL-UNNAMED',
  '--add-exports=jdk.unsupported/sun.misc=ALL-UNNAMED',
  '--add-exports=jdk.compiler/com.sun.tools.javac.file=ALL-UNNAMED',
  '--add-opens=jdk.compiler/com.sun.tools.javac=ALL-UNNAMED',
  '--add-opens=java.base/java.lang=ALL-UNNAMED',
  '--add-opens=java.base/java.lang.reflect=ALL-UNNAMED',
  '--add-opens=java.base/java.io=ALL-UNNAMED',
  '--add-opens=java.base/java.util=ALL-UNNAMED',
  '--add-opens=java.base/sun.nio.ch=ALL-UNNAMED',
  '--add-opens=java.base/java.nio=ALL-UNNAMED',
  '-Dchronicle.analytics.disable=true',
  '-Dchronicle.disk.monitor.disable=true',
]

export function javaQueue(part: 'append' | 'read', size: number): Contender {
  const count = Math.ceil(Math.min(200_000, 48_000_000 / size))
  // Its warm-up takes as long as a round of others, and its passes have a median of their own.
  return {
    name: 'Chronicle Queue (JVM)',
    kind: 'java',
    rounds: 1,
    job: { part, peer: 'queue', size, count },
  }
}

/** What a command prints. One that is not there, or fails, is an error. */
export function must(command: string, args: string[]): string {
  const { error, status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' })
  if (error !== undefined) throw new Error(`${command}: not found`)
  if (status !== 0) throw new Error(`${command}: ${stderr.trim() === '' ? stdout.trim() : stderr.trim()}`)
  return stdout
}

/** The class path, once Maven has fetched what the project file names and the one class is compiled. */
export function prepareQueue(): string {
  const path = join(built, 'class-path')
  const project = join(sources, 'pom.xml')
  const source = join(sources, 'QueueBench.java')
  const changed = Math.max(statSync(project).mtimeMs, statSync(source).mtimeMs)
  if ((statSync(join(built, 'QueueBench.class'), { throwIfNoEntry: false })?.mtimeMs ?? 0) < changed) {
    mkdirSync(built, { recursive: true })
    const goal = ['dependency:build-classpath', `-Dmdep.outputFile=${path}`]
    must('mvn', ['-q', '-B', '-f', project, ...goal])
    must('javac', ['-cp', readFileSync(path, 'utf8'), '-d', built, source])
  }
  return `${built}${delimiter}${readFileSync(path, 'utf8')}`
}

/** Appends or reads in a JVM, which makes the same payloads itself and proves it by their checksum. */
export function runQueue(does: 'append' | 'read', payloads: readonly Uint8Array[], dir: string): Outcome {
  const class_ = ['-cp', prepareQueue(), 'QueueBench']
  const said = must('java', [
    ...opens,
    ...class_,
    does,
    String(payloads[0]!.length),
    String(payloads.length),
    dir,
  ])
  const { ns, checksum } = JSON.parse(said.trim().split('\n').at(-1)!) as { ns: number; checksum: number }
  const sum = new Sum()
  for (const payload of payloads) sum.add(payload)
  if (sum.value !== checksum) throw new Error('Chronicle Queue read other payloads: wrong answer')
  return { values: { '': ns } }
}

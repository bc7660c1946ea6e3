import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { cpus, freemem, loadavg, release, totalmem } from 'node:os'
import { resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

/** What the figures hold for. */
export interface Host {
  cpu: string
  cpus: number
  memoryGiB: number
  kernel: string
  fileSystem: string
  versions: Record<string, string>
  /** Parts of the processors' time, over a moment in which the bench slept. */
  busy: number
  stolen: number
  load: number
}

const SAMPLE_MS = 500

export async function describeHost(dir: string): Promise<Host> {
  const before = processorTimes()
  await pause(SAMPLE_MS)
  const after = processorTimes()
  const all = Math.max(1, after.all - before.all)
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cpus: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: `${process.platform} ${release()}`,
    fileSystem: fileSystem(dir),
    versions: versions(),
    busy: 1 - (after.idle - before.idle) / all,
    stolen: (after.stolen - before.stolen) / all,
    load: loadavg()[0]!,
  }
}

export function showHost(host: Host): string {
  const versions = Object.entries(host.versions).map(([name, version]) => `${name} ${version}`)
  const lines = [
    `${host.cpus} x ${host.cpu}, ${host.memoryGiB} GiB (${Math.round(freemem() / 2 ** 30)} free), ${host.kernel}, ${host.fileSystem}`,
    versions.join(', '),
  ]
  if (host.busy > 0.1 || host.stolen > 0.02) {
    const percent = (part: number) => `${Math.round(part * 100)} %`
    lines.push(
      `WARNING: the machine is busy: ${percent(host.busy)} of its processors are in use and ${percent(host.stolen)} stolen ` +
        `before the bench begins (load ${host.load.toFixed(1)}). Ratios suffer less than figures, and percentiles most.`,
    )
  }
  return lines.join('\n')
}

function processorTimes(): { all: number; idle: number; stolen: number } {
  if (existsSync('/proc/stat')) {
    const times = readFileSync('/proc/stat', 'utf8')
      .split('\n')[0]!
      .trim()
      .split(/\s+/)
      .slice(1, 9)
      .map(Number)
    const [, , , idle = 0, waiting = 0, , , stolen = 0] = times
    return { all: times.reduce((sum, time) => sum + time, 0), idle: idle + waiting, stolen }
  }
  const all = cpus().flatMap(({ times }) => Object.values(times))
  const idle = cpus().map(({ times }) => times.idle)
  const sum = (values: number[]) => values.reduce((total, value) => total + value, 0)
  return { all: sum(all), idle: sum(idle), stolen: 0 }
}

function fileSystem(dir: string): string {
  return output('df', ['--output=fstype', dir])?.at(-1) ?? 'file system unknown'
}

function versions(): Record<string, string> {
  const require = createRequire(resolve('bench/package.json'))
  const found: Record<string, string> = { 'Node.js': process.version.slice(1) }
  const names = Object.keys(
    (require('./package.json') as { optionalDependencies: object }).optionalDependencies,
  )
  for (const name of names) {
    const path = resolve('bench/node_modules', name, 'package.json')
    if (existsSync(path))
      found[name] = (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version
  }
  const java = output('java', ['--version'])?.[0]
  if (java !== undefined) found['Java'] = java
  const queue = /chronicle-queue<\/artifactId>\s*<version>([^<]+)/.exec(
    readFileSync('bench/java/pom.xml', 'utf8'),
  )
  if (java !== undefined && queue !== null) found['Chronicle Queue'] = queue[1]!
  return found
}

/** The lines that a command prints, where it is there and succeeds. */
function output(command: string, args: string[]): string[] | undefined {
  try {
    const text = execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
    return text.trim().split('\n')
  } catch {
    return undefined
  }
}

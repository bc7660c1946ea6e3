import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'

import { root } from './repository.ts'

/** One message of a fixture. */
export interface FixtureMessage {
  readonly seq: number
  readonly type: number
  readonly length: number
  readonly sha256: string
  /** Nanoseconds since the Unix epoch, in digits. */
  readonly timestampNs: string
  readonly batchRemaining: number
  readonly epoch: number
}

/** What a fixture holds, and which version wrote it. */
export interface Manifest {
  readonly madeBy: string
  readonly holds: string
  readonly segmentBytes: number
  readonly firstSeq: number
  readonly nextSeq: number
  readonly durablePoint: number
  readonly epoch: number
  /** The first seqs of the segments, in digits. */
  readonly segments: Readonly<Record<string, { readonly bytes: number }>>
  readonly readers: Readonly<Record<string, { readonly nextSeq: number }>>
  readonly messages: readonly FixtureMessage[]
}

/** The folder of the fixtures: below it, one for each format version and fixture. */
export const fixtures = join(root, '__test__/fixtures')

export function sha256(payload: Uint8Array): string {
  return createHash('sha256').update(payload).digest('hex')
}

/** The names of all fixtures, as `version/name`. */
export function fixtureNames(): string[] {
  return readdirSync(fixtures).flatMap((version) =>
    readdirSync(join(fixtures, version)).map((name) => `${version}/${name}`),
  )
}

export function readManifest(name: string): Manifest {
  return JSON.parse(readFileSync(join(fixtures, name, 'manifest.json'), 'utf8')) as Manifest
}

/** Writes the files of a fixture to `dir`. */
export function unpack(name: string, dir: string): void {
  const folder = join(fixtures, name, 'files')
  for (const path of filesBelow(folder)) {
    const target = join(dir, relative(folder, path).replace(/\.gz$/, ''))
    mkdirSync(dirname(target), { recursive: true })
    writeFileSync(target, gunzipSync(readFileSync(path)))
  }
}

/** Keeps the files of a chronicle as a fixture: each compressed by itself, since most of it is zeros. */
export function pack(dir: string, name: string, manifest: Manifest): void {
  const folder = join(fixtures, name)
  for (const path of filesBelow(dir)) {
    const target = join(folder, 'files', `${relative(dir, path)}.gz`)
    mkdirSync(dirname(target), { recursive: true })
    writeFileSync(target, gzipSync(readFileSync(path), { level: 9 }))
  }
  writeFileSync(join(folder, 'manifest.json'), `${JSON.stringify(manifest, undefined, 2)}\n`)
}

function filesBelow(dir: string): string[] {
  return readdirSync(dir, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
}

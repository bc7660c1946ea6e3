import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'

import { readText, root } from './repository.ts'

/** The two tarballs that this platform's users get. */
export interface Packed {
  /** A folder of its own; whoever packs removes it. */
  readonly folder: string
  readonly main: string
  readonly platform: string
}

/** What makes another version of a package. */
export interface Version {
  readonly version: string
  /** Its native part, where it has another one than is built here. */
  readonly addon: string | undefined
}

/**
 * Packs the main package as `napi prepublish` leaves it, and the platform package with the binary built here; or both as another
 * version.
 */
export function pack(other?: Version): Packed {
  const folder = temporaryFolder('pack')
  const binary = readdirSync(join(root, 'native')).find((name) => name.endsWith('.node'))
  const triple = binary?.split('.')[1]
  if (binary === undefined || triple === undefined)
    throw new Error('no addon in native/: run "npm run build"')

  const main = join(folder, 'main')
  for (const name of ['package.json', 'README.md', 'LICENSE', 'dist', 'native']) {
    cpSync(join(root, name), join(main, name), { recursive: true })
  }
  const manifest = asVersion(JSON.parse(readText('package.json')) as Manifest, other)
  const optionalDependencies = Object.fromEntries(
    readdirSync(join(root, 'npm')).map((name) => [`chronicle-log-${name}`, manifest.version]),
  )
  writeFileSync(join(main, 'package.json'), JSON.stringify({ ...manifest, optionalDependencies }))

  const platform = join(folder, 'platform')
  cpSync(join(root, 'npm', triple), platform, { recursive: true })
  const described = asVersion(JSON.parse(readText(`npm/${triple}/package.json`)) as Manifest, other)
  writeFileSync(join(platform, 'package.json'), JSON.stringify(described))
  cpSync(other?.addon ?? join(root, 'native', binary), join(platform, binary))

  return { folder, main: packFolder(main, folder), platform: packFolder(platform, folder) }
}

interface Manifest {
  readonly version: string
}

function asVersion(manifest: Manifest, other: Version | undefined): Manifest {
  return { ...manifest, version: other?.version ?? manifest.version }
}

function packFolder(source: string, destination: string): string {
  const output = npm(['pack', '--json', '--ignore-scripts', '--pack-destination', destination], source)
  const packed: unknown = JSON.parse(output)
  // npm 12 answers with an object by name, the ones before with a list.
  const [entry] = Object.values(packed as Record<string, { filename: string }>)
  if (entry === undefined) throw new Error(`npm pack answered: ${output}`)
  return join(destination, entry.filename)
}

/** Installs tarballs in an empty folder, scripts allowed, without a registry and without Rust. */
export function install(tarballs: readonly string[]): string {
  const folder = temporaryFolder('install')
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n')
  const cache = join(folder, '.npm')
  npm(['install', '--offline', '--no-audit', '--no-fund', '--cache', cache, ...tarballs], folder)
  return folder
}

/** A new folder under the system's temporary one. */
export function temporaryFolder(purpose: string): string {
  return mkdtempSync(join(realpathSync(tmpdir()), `chronicle-log-${purpose}-`))
}

/** A new, empty folder in `parent` to run a program in. */
export function emptyFolder(parent: string): string {
  const folder = join(parent, `run-${process.hrtime.bigint()}`)
  mkdirSync(folder)
  return folder
}

function npm(parameters: readonly string[], cwd: string): string {
  const env = { ...process.env, PATH: withoutRust(process.env['PATH'] ?? '') }
  const script = process.env['npm_execpath']
  if (script !== undefined) {
    return execFileSync(process.execPath, [script, ...parameters], {
      cwd,
      env,
      encoding: 'utf8',
      stdio: 'pipe',
    })
  }
  const shell = process.platform === 'win32'
  return execFileSync('npm', parameters, { cwd, env, encoding: 'utf8', stdio: 'pipe', shell })
}

function withoutRust(path: string): string {
  const holdsRust = (folder: string): boolean => {
    try {
      return readdirSync(folder).some((name) => /^(cargo|rustc)(\.exe)?$/.test(name))
    } catch {
      return false
    }
  }
  return path
    .split(delimiter)
    .filter((folder) => !holdsRust(folder))
    .join(delimiter)
}

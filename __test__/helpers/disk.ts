import { spawnSync } from 'node:child_process'
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import type { ExecutionContext } from 'ava'

/** The file systems that a test can have for itself. */
export type DiskKind = 'tmpfs' | 'ext4'

/** The room of a test's own file system, in bytes. */
const SMALL = 3 << 20

function run(command: string, ...args: string[]): void {
  const { error, status, stderr } = spawnSync(command, args, { encoding: 'utf8' })
  if (status !== 0) throw error ?? new Error(stderr.trim().split('\n')[0])
}

/** An empty file system with about so many bytes of room. Returns its path, and what takes it away. */
export function mount(kind: DiskKind, bytes: number): [string, () => void] {
  const parent = mkdtempSync(join(tmpdir(), 'chronicle-disk-'))
  const path = join(parent, 'mounted')
  const image = join(parent, 'image')
  try {
    mkdirSync(path)
    if (kind === 'tmpfs') run('mount', '-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', path)
    else {
      writeFileSync(image, '')
      // The file system needs some for itself.
      truncateSync(image, bytes + (2 << 20))
      run('mkfs.ext4', '-q', '-m', '0', image)
      run('mount', '-o', 'loop', image, path)
    }
  } catch (error) {
    rmSync(parent, { recursive: true })
    throw error
  }
  const remove = () => {
    // Lazily: a process that is being killed may have a file of it open still.
    run('umount', '--lazy', path)
    rmSync(parent, { recursive: true })
  }
  return [path, remove]
}

/** Why this machine lets no test mount such a file system; nothing where it does. */
export function whyNotMounted(kind: DiskKind): string | undefined {
  if (process.platform !== 'linux') return 'on Linux only'
  try {
    const [, remove] = mount(kind, SMALL)
    remove()
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}

/** An empty file system that goes with the test. */
export function mounted(t: ExecutionContext, kind: DiskKind): string {
  const [path, remove] = mount(kind, SMALL)
  t.teardown(remove)
  return path
}

/** Writes a file until it grows no more, flushed or not: ext4 may count twice what it is writing back, and be full too early. */
export function fillUp(path: string): void {
  const file = openSync(path, 'w')
  const block = Buffer.alloc(4096)
  try {
    let grew: boolean
    do {
      grew = false
      while (hasRoom(file, block)) grew = true
      fsyncSync(file)
    } while (grew)
  } finally {
    closeSync(file)
  }
}

/** Writes a block, or tells that the disk is full. */
function hasRoom(file: number, block: Buffer): boolean {
  try {
    return writeSync(file, block) > 0
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return false
    throw error
  }
}

/** What the package is built for: the ends of the names of the packages that carry the native part. */
export const platforms = [
  'darwin-arm64',
  'darwin-x64',
  'linux-arm64-gnu',
  'linux-arm64-musl',
  'linux-x64-gnu',
  'linux-x64-musl',
  'win32-arm64-msvc',
  'win32-x64-msvc',
] as const

/** What this process runs on, in the words of {@link platforms}. */
export function platform(): string {
  const base = `${process.platform}-${process.arch}`
  if (process.platform === 'linux') return `${base}-${isMusl() ? 'musl' : 'gnu'}`
  return process.platform === 'win32' ? `${base}-msvc` : base
}

function isMusl(): boolean {
  const { header, sharedObjects = [] } = report()
  if (header?.glibcVersionRuntime !== undefined) return false
  return sharedObjects.some((file) => /libc\.musl-|ld-musl-/.test(file))
}

interface Report {
  header?: { glibcVersionRuntime?: string }
  sharedObjects?: string[]
}

/** What the process says of itself. Other runtimes than Node.js may have no report, or refuse it. */
function report(): Report {
  try {
    return process.report.getReport() as Report
  } catch {
    return {}
  }
}

/** Why the native part could not be loaded, and what helps. `cause` is what the generated loader threw. */
export function whyNoBinding(cause: unknown, on: string = platform()): string {
  if (!(platforms as readonly string[]).includes(on)) {
    return `chronicle-log has no native part for ${on}; it is built for ${platforms.join(', ')}`
  }
  const name = `chronicle-log-${on}`
  const failure = loadFailure(cause)
  if (failure !== undefined) return `the native part of chronicle-log for ${on} cannot be loaded: ${failure}`
  return (
    `the package ${name}, which carries the native part of chronicle-log for this platform, is not installed: ` +
    `install chronicle-log on this platform and with optional dependencies, or add ${name} of the same version`
  )
}

/** What the loader met beside files that are not there; it hands on messages, and no codes. */
function loadFailure(cause: unknown): string | undefined {
  if (!(cause instanceof Error)) return String(cause)
  if (!(cause.cause instanceof Error)) return cause.message
  let failure: string | undefined
  for (let error: unknown = cause.cause; error instanceof Error; error = error.cause) {
    if (!/^Cannot find (module|package)\b/.test(error.message)) failure = error.message
  }
  return failure
}

/** The rows that somebody read. */
export interface Digest {
  /** Who. */
  of: string
  rows: number
  sha256: string
}

/** What those who read them agree with: the same rows in the source. */
export interface Comparison {
  expected: Digest
  read: Digest[]
}

/** Whether the same rows were read. */
export function agrees(expected: Digest, read: Digest): boolean {
  return read.rows === expected.rows && read.sha256 === expected.sha256
}

/** A sentence for each that differs. */
export function differences(comparisons: readonly Comparison[]): string[] {
  return comparisons.flatMap(({ expected, read }) =>
    read
      .filter((digest) => !agrees(expected, digest))
      .map((digest) => {
        const count =
          digest.rows === expected.rows ? 'as many rows' : `${digest.rows} rows for ${expected.rows}`
        return `What was ${digest.of} differs from ${expected.of}: ${count}, SHA-256 ${digest.sha256} for ${expected.sha256}.`
      }),
  )
}

/** Why bytes are refused: the part of the package's error code behind ERR_CHRONICLE. */
export type Kind =
  | 'NOT_FOUND'
  | 'NOT_A_FILE'
  | 'EMPTY_FILE'
  | 'TRUNCATED'
  | 'BAD_MAGIC'
  | 'UNSUPPORTED_VERSION'
  | 'UNSUPPORTED_FEATURE'
  | 'OUT_OF_BOUNDS'
  | 'CORRUPT'
  | 'MISSING_SEGMENT'

/** Where bytes are refused: what is known of it. */
export interface Where {
  readonly path: string
  readonly offset?: number | undefined
  readonly seq?: number | undefined
}

/** Bytes that are not what the format says. */
export class Refusal extends Error {
  readonly kind: Kind
  readonly path: string
  readonly offset: number | undefined
  readonly seq: number | undefined

  constructor(kind: Kind, what: string, { path, offset, seq }: Where) {
    super(`${kind}: ${what} (${path}, offset ${offset ?? 'none'}, seq ${seq ?? 'none'})`)
    this.kind = kind
    this.path = path
    this.offset = offset
    this.seq = seq
  }
}

/** Refuses unless `holds`. */
export function check(holds: boolean, kind: Kind, what: string, where: Where): asserts holds {
  if (!holds) throw new Refusal(kind, what, where)
}

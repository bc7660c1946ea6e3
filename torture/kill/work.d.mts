export interface Call {
  readonly kind: 'batch' | 'claim' | 'bytes' | 'text'
  /** How many messages it appends. */
  readonly size: number
}

export declare function callOf(seed: number, life: number, first: number): Call
export declare function textOf(seed: number, life: number, seq: number): string
export declare function typeOf(seed: number, life: number, seq: number): number

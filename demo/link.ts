/** What the recorder tells the process that started it. */
export interface RecorderMessage {
  /** It has the log, and goes on at this row. */
  ready?: { row: number; clockNs: number }
  /** How long each of its last appends took, in nanoseconds. */
  appendNs?: number[]
}

/** What a follower tells the process that started it. */
export interface FollowerMessage {
  /** It follows the log from this row on. */
  ready?: { row: number }
  /** How many rows came that another follower had handled already. */
  repeated?: number
  /** How old its last messages were when they came, in nanoseconds. */
  handOffNs?: number[]
}

/** Resolves once the message has left this process, so that it arrives even if this process is killed now. */
export function tell(message: RecorderMessage | FollowerMessage): Promise<void> {
  return new Promise((resolve) => {
    // A parent that is gone is dealt with by `obeyParent`.
    if (process.send?.(message, undefined, undefined, () => resolve()) === undefined) resolve()
  })
}

/** Leaves the end of this process to the one that started it: by a kill, or by its own end. */
export function obeyParent(): void {
  process.once('disconnect', () => process.exit(1))
  process.on('SIGINT', () => undefined)
}

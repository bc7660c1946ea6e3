/** A signal, and how many listen to it now. */
export function countedSignal(): { signal: AbortSignal; listeners: () => number } {
  const { signal } = new AbortController()
  let listeners = 0
  const add = signal.addEventListener.bind(signal)
  const remove = signal.removeEventListener.bind(signal)
  signal.addEventListener = (...args: Parameters<typeof add>) => void (listeners++, add(...args))
  signal.removeEventListener = (...args: Parameters<typeof remove>) => void (listeners--, remove(...args))
  return { signal, listeners: () => listeners }
}

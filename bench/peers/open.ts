import type { Store, Way } from './store.ts'

/** Opens a contender's store, by file and name. Peers are loaded only in the process that measures them. */
export async function openStore(peer: string, way: string, dir: string, text = false): Promise<Store> {
  const { ways } = (await import(`./${peer}.ts`)) as { ways: Record<string, Way> }
  return ways[way]!(dir, text)
}

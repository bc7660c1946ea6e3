import type { Job } from '../measure.ts'
import type { Store, Way } from './store.ts'

/** Opens a contender's store, by file and name. Peers are loaded only in the process that measures them. */
export async function openStore({ peer, way, text, size }: Job, dir: string): Promise<Store> {
  const { ways } = (await import(`./${String(peer)}.ts`)) as { ways: Record<string, Way> }
  return ways[String(way)]!(dir, text === true, Number(size))
}

// A worker thread does not inherit the loader of TypeScript, so it registers its own before `worker.ts`.
import { register } from 'tsx/esm/api'

register()
await import('./worker.ts')

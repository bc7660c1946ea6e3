// Fails when the build just made leaves native/ other than it is committed.
import { spawnSync } from 'node:child_process'

const { stdout, status } = spawnSync('git', ['status', '--porcelain', '--', 'native'], { encoding: 'utf8' })
if (status !== 0 || stdout !== '') {
  console.error(`The committed binding is stale: run "npm run build:native" and commit native/.\n${stdout}`)
  process.exit(1)
}

// Runs each named npm script, the later ones also when an earlier one failed: `node scripts/each.mjs build test`.
import { spawnSync } from 'node:child_process'

const failed = process.argv.slice(2).filter((script) => {
  const { status } = spawnSync('npm', ['run', script], {
    stdio: 'inherit',
    shell: process.platform === 'win32',
  })
  return status !== 0
})
if (failed.length > 0) {
  console.error(`failed: ${failed.join(', ')}`)
  process.exit(1)
}

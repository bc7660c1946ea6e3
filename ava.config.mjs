export default {
  files: ['__test__/**/*.spec.ts'],
  extensions: { ts: 'module' },
  nodeArguments: ['--import', 'tsx'],
  // A process a file: an addon that crashes fails its own file only.
  workerThreads: false,
  timeout: '2m',
}

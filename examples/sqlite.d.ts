// What outbox.ts uses of node:sqlite. The package is checked with the types of Node.js 20, which has no SQLite.
declare module 'node:sqlite' {
  interface StatementSync {
    run(...values: (number | string)[]): { lastInsertRowid: number | bigint }
    get(...values: (number | string)[]): unknown
    all(...values: (number | string)[]): unknown[]
  }
  class DatabaseSync {
    constructor(path: string)
    exec(sql: string): void
    prepare(sql: string): StatementSync
    close(): void
  }
}

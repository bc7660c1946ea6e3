// An event-sourced account. What happened is the log; the balance is what follows from it. A command decides on a balance that it has
// read, and `expectedSeq` refuses its event where another one came in between: then it reads on and decides again.
//
//   node account.ts [folder]
import { setTimeout as pause } from 'node:timers/promises'

import { Chronicle, ChronicleError, json } from 'chronicle-log'

type Event =
  | { kind: 'opened'; owner: string }
  | { kind: 'deposited'; cents: number }
  | { kind: 'withdrawn'; cents: number; for: string }

class Account {
  owner = ''
  cents = 0
  /** The seq of the first event that is not applied yet. */
  version = 0
  readonly #log: Chronicle<Event>

  constructor(folder: string) {
    this.#log = Chronicle.open<Event>(folder, { codec: json<Event>() })
    this.refresh()
  }

  /** Applies what has been appended since the last look. */
  refresh(): void {
    for (const { value, seq } of this.#log.read({ from: this.version })) {
      if (value.kind === 'opened') this.owner = value.owner
      else if (value.kind === 'deposited') this.cents += value.cents
      else this.cents -= value.cents
      this.version = seq + 1
    }
  }

  /** Decides on the account as it is, and again as often as another event is faster than the decision. */
  async execute(decide: (account: Account) => Event | Promise<Event>): Promise<void> {
    for (;;) {
      const version = this.version
      const event = await decide(this)
      try {
        this.#log.append(event, { expectedSeq: version })
        return this.refresh()
      } catch (error) {
        if (!(error instanceof ChronicleError) || error.code !== 'ERR_CHRONICLE_CONFLICT') throw error
        console.log(`${event.kind}: decided on event ${version}, the log is at ${error.actual}`)
        this.refresh()
      }
    }
  }

  close(): void {
    this.#log.close()
  }
}

/** Asking somebody else takes time, in which other events come. */
async function withdraw(account: Account, cents: number, purpose: string): Promise<void> {
  await account.execute(async () => {
    if (cents > account.cents) throw new Error(`${purpose}: ${account.cents} cents do not cover ${cents}`)
    await pause(10)
    return { kind: 'withdrawn', cents, for: purpose }
  })
}

const account = new Account(process.argv[2] ?? './account')
if (account.version === 0) await account.execute(() => ({ kind: 'opened', owner: 'Ada' }))
await account.execute(() => ({ kind: 'deposited', cents: 100_00 }))
// Both see 100.00 and decide for themselves; the log lets one of them through.
const both = [withdraw(account, 80_00, 'rent'), withdraw(account, 70_00, 'shoes')]
for (const result of await Promise.allSettled(both)) {
  if (result.status === 'rejected') console.log(`refused: ${(result.reason as Error).message}`)
}
console.log(`${account.owner} has ${account.cents / 100} after ${account.version} events`)
account.close()

/** Databases in which archives are tried: made when needed, and dropped with the scope. */
import { Effect } from "effect"
import { BackupDatabase, type DatabaseRef } from "../ports/BackupDatabase.ts"

const prefixOf = (key: string) => `vlog_verify_${key}_`

export const scratchDatabase = Effect.fnUntraced(function* (key: string) {
  const databases = yield* BackupDatabase
  const ref: DatabaseRef = { server: "scratch", name: `${prefixOf(key)}${crypto.randomUUID().slice(0, 8)}` }
  let made = false
  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => (made ? databases.drop(ref) : Effect.void)).pipe(
      Effect.catch((error) =>
        Effect.logWarning("a scratch database was left behind; the next run removes it", {
          database: ref.name,
          problem: error.message
        })
      )
    )
  )
  const create = Effect.suspend(() => {
    made = true
    return databases.create(ref)
  })
  return { ref, create }
})

/** Drops those of runs that were killed. Only for who holds the lock of that key. */
export const dropLeftovers = Effect.fnUntraced(function* (key: string) {
  const databases = yield* BackupDatabase
  const names = yield* databases.named("scratch", prefixOf(key))
  for (const name of names) {
    yield* databases.drop({ server: "scratch", name })
    yield* Effect.logWarning("removed a scratch database that a killed run had left", { database: name })
  }
})

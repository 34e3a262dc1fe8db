/** Restores the newest backup where nothing else is, as if the database were lost, and takes the time. */
import { Clock, Effect } from "effect"
import type { DrillReport } from "../backups/BackupStatus.ts"
import { BackupDatabase, type DatabaseRef } from "../ports/BackupDatabase.ts"
import { BackupStore } from "../ports/BackupStore.ts"
import { chooseBackup, type Place } from "./Catalogue.ts"
import { restoreDatabase } from "./RestoreBackup.ts"

/** Uses the scratch server only: on the day that counts there will be no source. */
export const drillRestore = Effect.fn("drillRestore")(function* (from?: Place) {
  const store = yield* BackupStore
  const databases = yield* BackupDatabase
  const at = new Date(yield* Clock.currentTimeMillis)
  const chosen = yield* chooseBackup("newest", from)
  const { manifest } = chosen
  const into: DatabaseRef = { server: "scratch", name: `vlog_drill_${crypto.randomUUID().slice(0, 8)}` }
  const [rows, rtoSeconds] = yield* restoreDatabase(chosen, into, { tables: [], withRoles: false })
  yield* databases.drop(into)
  const report: DrillReport = {
    at,
    name: manifest.name,
    from: chosen.place,
    rtoSeconds,
    rpoSeconds: Math.max(0, Math.round((at.getTime() - manifest.takenAt.getTime()) / 1000)),
    rows,
    bytes: manifest.bytes
  }
  yield* store.writeStatus({ ...(yield* store.status), lastDrill: report })
  yield* Effect.logInfo("the newest backup was restored", { ...report, at: at.toISOString() })
  return report
})

/** The cleanup as a command. */
import { Effect, Layer, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import { Db } from "../../adapters/postgres/Db.ts"
import * as PostgresAttemptJournal from "../../adapters/postgres/AttemptJournal.ts"
import * as PostgresJobStore from "../../adapters/postgres/JobStore.ts"
import * as PostgresVideoStore from "../../adapters/postgres/VideoStore.ts"
import * as PostgresJobUpkeep from "../../adapters/postgres/JobUpkeep.ts"
import * as PostgresUploadUpkeep from "../../adapters/postgres/UploadUpkeep.ts"
import * as DiskMediaUpkeep from "../../adapters/storage/MediaUpkeep.ts"
import { cleanup, type CleanupReport } from "../../domain/programs/Cleanup.ts"
import { tellAttempts } from "../../domain/programs/TellAttempts.ts"
import { timed } from "../../domain/programs/timed.ts"
import { withExitCodes } from "../exit/exitCodes.ts"
import { updateCleanup } from "./metrics.ts"
import { leaveMetrics } from "../output/textfile.ts"
import { print } from "../output/Json.ts"
import { cleanupSettings } from "../settings/cleanup.ts"

/** The queue is in a state that it can never be in. */
class AuditFailed extends Schema.TaggedError<AuditFailed>()("AuditFailed", { problems: Schema.Array(Schema.String) }) {
  override get message() {
    return `The queue breaks ${this.problems.length} of its rules; nothing was changed about that:\n${this.problems.join("\n")}`
  }
}

const textOf = (report: CleanupReport): string => {
  const { attempts, dryRun, expired, extended, failed, forgotten, offline, requeued, temporaries, uploads, videos } =
    report
  const done = (verb: string) => (dryRun ? `to be ${verb}` : verb)
  return [
    extended ? "leases: the API was away; each got its full time again" : undefined,
    dryRun
      ? `tasks with an expired lease: ${expired}`
      : `tasks: ${requeued} back in the queue, ${failed} failed for good`,
    `workers ${done("marked offline")}: ${offline.length === 0 ? "none" : offline.join(", ")}`,
    `folders of ended attempts ${done("removed")}: ${attempts.length}`,
    `deleted videos with files left, which are ${done("removed")}: ${videos.length}`,
    `unfinished uploads ${done("removed")}: ${temporaries.length}`,
    `expired uploads ${done("removed")}: ${uploads.length}`,
    `old attempts ${done("forgotten")}: ${forgotten}`
  ]
    .filter((line) => line !== undefined)
    .join("\n")
}

export const cleanupCommand = Command.make(
  "cleanup",
  {
    dryRun: Flag.Boolean("dry-run").pipe(
      Flag.withDescription("Say what would be done, and do nothing"),
      Flag.withDefault(false)
    )
  },
  Effect.fnUntraced(function* ({ dryRun }) {
    const settings = yield* cleanupSettings
    const stores = PostgresVideoStore.layer.pipe(
      Layer.provideMerge(
        Layer.mergeAll(
          PostgresJobStore.layer,
          PostgresJobUpkeep.layer,
          PostgresUploadUpkeep.layer,
          PostgresAttemptJournal.layer
        )
      ),
      Layer.provide(Db.layer({ url: settings.databaseUrl, applicationName: "vlog-cleanup", max: 2 }))
    )
    const [report, seconds] = yield* timed(cleanup({ ...settings, dryRun })).pipe(
      Effect.tap(dryRun ? Effect.void : tellAttempts),
      Effect.provide(Layer.mergeAll(stores, DiskMediaUpkeep.layer({ root: settings.storage })))
    )
    yield* leaveMetrics(settings.metricsFile, updateCleanup(report, seconds))
    yield* print(report, () => textOf(report))
    if (report.breaches.length > 0) {
      return yield* new AuditFailed({
        problems: report.breaches.map(({ invariant, problem }) => `  ${invariant}: ${problem}`)
      })
    }
  }, withExitCodes)
).pipe(
  Command.withShortDescription("Take tasks back from lost workers, remove what nobody needs, and audit the queue"),
  Command.withDescription(
    "Take tasks back from lost workers, remove what nobody needs, and audit the queue. Exit codes: 0 done, 65 the audit " +
      "found a breach, 69 the database does not answer, 73 the storage cannot be read or written, 78 a setting is wrong"
  ),
  Command.withExamples([
    { command: "vlog cleanup --dry-run", description: "What it would do" },
    { command: "vlog cleanup --json", description: "From a scheduler, every five minutes" }
  ])
)

/** The backup commands. */
import { Clock, Effect, Option, Result, Schema } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { BackupName, packingOf } from "../../domain/backups/BackupName.ts"
import { VerificationFailed } from "../../domain/backups/Refusal.ts"
import { highestLevel } from "../../domain/backups/Verification.ts"
import { BackupCipher, KeyMissing } from "../../domain/ports/BackupCipher.ts"
import { BackupCopies } from "../../domain/ports/BackupCopies.ts"
import { BackupDatabase } from "../../domain/ports/BackupDatabase.ts"
import { BackupStore } from "../../domain/ports/BackupStore.ts"
import { BackupTool } from "../../domain/ports/BackupTool.ts"
import { allBackups, chooseBackup, type Place, readableBytes } from "../../domain/programs/Catalogue.ts"
import { drillRestore } from "../../domain/programs/DrillRestore.ts"
import { pruneBackups, pruneShelf } from "../../domain/programs/PruneBackups.ts"
import { restoreBackup } from "../../domain/programs/RestoreBackup.ts"
import { noteFailure, runBackup } from "../../domain/programs/RunBackup.ts"
import { verifyBackups } from "../../domain/programs/VerifyBackups.ts"
import { leaveMetrics } from "../output/textfile.ts"
import { createSettings, policySettings, storeSettings } from "../settings/backup.ts"
import { withExitCodes } from "../exit/exitCodes.ts"
import { print } from "../output/Json.ts"
import { everything, places } from "./layers.ts"
import { updateBackup } from "./metrics.ts"
import { createdText, drillText, listText, prunedText, restoreText, verifiedText } from "./text.ts"

const dryRun = Flag.Boolean("dry-run").pipe(
  Flag.withDescription("Say what would be done, and do nothing"),
  Flag.withDefault(false)
)

const BackupArgument = Argument.String("backup").pipe(
  Argument.withDescription("Name of a backup, as the list command shows it"),
  Argument.withSchema(BackupName)
)

const from = Flag.Literals("from", ["folder", "copy"]).pipe(
  Flag.withDescription(
    "Look only in the folder, or only at the copies; without it, a copy serves where the file is gone"
  ),
  Flag.optional
)

/** Also after a failure: that is what the metrics are for. */
const withMetrics = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const { metricsFile } = yield* storeSettings
    const backups = yield* BackupStore
    const write = Effect.flatMap(backups.status, (status) => leaveMetrics(metricsFile, updateBackup(status)))
    return yield* Effect.onExit(effect, () => Effect.ignore(write))
  })

const create = Effect.fnUntraced(
  function* () {
    const settings = yield* createSettings
    const made = yield* runBackup(settings, yield* policySettings)
    const { bytes, level, name, seconds } = made.manifest
    const copies = Result.getOrElse(made.copies, ({ message }) => ({ problem: message }))
    yield* print({ name, level, bytes, seconds, removed: made.removed, copies }, () => createdText(made))
    if (Result.isFailure(made.copies)) return yield* made.copies.failure
  },
  withMetrics,
  Effect.provide(everything()),
  withExitCodes,
  Effect.withSpan("backup create")
)

const createCommand = Command.make("create", {}, create).pipe(
  Command.withDescription("Back the database up, prove that the backup can be restored, and remove old ones"),
  Command.withExamples([
    {
      command: "vlog backup create",
      description: "Into the folder of BACKUP_PATH, and into the bucket where one is named"
    }
  ])
)

const listCommand = Command.make(
  "list",
  {},
  Effect.fnUntraced(
    function* () {
      const backups = yield* BackupStore
      const found = yield* allBackups
      const status = yield* backups.status
      const now = yield* Clock.currentTimeMillis
      yield* print({ backups: found.map(({ backup, places }) => ({ ...backup, places })), status }, () =>
        listText(found, status, now)
      )
    },
    Effect.provide(places),
    withExitCodes,
    Effect.withSpan("backup list")
  )
).pipe(
  Command.withDescription("Show the backups: level reached, size, age, duration"),
  Command.withExamples([{ command: "vlog backup list", description: "How good each of them is, and how old" }])
)

const verifyCommand = Command.make(
  "verify",
  {
    from,
    backup: Argument.optional(BackupArgument),
    all: Flag.Boolean("all").pipe(Flag.withDescription("All backups, not only the newest"), Flag.withDefault(false)),
    level: Flag.Int("level").pipe(
      Flag.withDescription("The highest level to try, 6 without it: 2 reads the bytes, 6 restores and compares"),
      Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: highestLevel }))),
      Flag.withDefault(highestLevel)
    )
  },
  Effect.fnUntraced(
    function* (options) {
      const databases = yield* BackupDatabase
      const session = yield* databases.session
      const selection = options.all ? "all" : Option.getOrElse(options.backup, () => "newest" as const)
      const verified = yield* verifyBackups(session, {
        selection,
        upTo: options.level,
        from: Option.getOrUndefined(options.from)
      })
      yield* print(verified, () => verifiedText(verified))
      const bad = verified.filter(({ problem }) => problem !== null)
      if (bad.length > 0) {
        return yield* new VerificationFailed({
          backup: bad.map(({ name }) => name).join(", "),
          problem: bad[0]!.problem ?? ""
        })
      }
      // Without any key, what can be known is known: that is no failure.
      const unread = verified.filter(({ unread }) => unread !== null)
      if (unread.length > 0 && (yield* BackupCipher).mayDecrypt) {
        return yield* new KeyMissing({
          problem: `Nobody could look into ${unread.map(({ name }) => name).join(", ")}: ${unread[0]!.unread}`
        })
      }
    },
    Effect.scoped,
    Effect.tapError(noteFailure("verify")),
    withMetrics,
    Effect.provide(everything()),
    withExitCodes,
    Effect.withSpan("backup verify")
  )
).pipe(
  Command.withDescription("Look again at backups that were good: disks rot"),
  Command.withExamples([
    { command: "vlog backup verify --all --level 3", description: "Once a week: read all of them" },
    { command: "vlog backup verify --from copy", description: "The newest, from the bucket" }
  ])
)

const pruneCommand = Command.make(
  "prune",
  { dryRun },
  Effect.fnUntraced(
    function* (options) {
      const databases = yield* BackupDatabase
      const policies = yield* policySettings
      yield* databases.session
      const pruned = yield* pruneBackups(policies.folder, options)
      const { shelf } = yield* BackupCopies
      const copies = shelf === undefined ? null : yield* pruneShelf(shelf, policies.copies, options)
      yield* print({ ...pruned, copies }, () =>
        [prunedText(pruned, options), ...(copies === null ? [] : ["Copies:", prunedText(copies, options)])].join("\n")
      )
    },
    Effect.scoped,
    Effect.provide(everything()),
    withExitCodes,
    Effect.withSpan("backup prune")
  )
).pipe(
  Command.withDescription("Remove backups that are too old or damaged, as after each new one"),
  Command.withExamples([{ command: "vlog backup prune --dry-run", description: "Which would go" }])
)

const restoreCommand = Command.make(
  "restore",
  {
    dryRun,
    from,
    backup: Argument.optional(BackupArgument),
    into: Flag.String("into").pipe(
      Flag.withDescription("Name of the new database; one with the time in it without this"),
      Flag.optional
    ),
    tables: Flag.String("tables").pipe(
      Flag.withDescription("Only these tables, separated by commas, without their indexes"),
      Flag.optional
    ),
    list: Flag.Boolean("list").pipe(
      Flag.withDescription("Print the table of contents and restore nothing"),
      Flag.withDefault(false)
    ),
    noRoles: Flag.Boolean("no-roles").pipe(
      Flag.withDescription("Leave out owners and rights, where the roles of the source do not exist"),
      Flag.withDefault(false)
    ),
    swap: Flag.Boolean("swap").pipe(
      Flag.withDescription("At the end, give the new database the name of the live one, which is kept"),
      Flag.withDefault(false)
    ),
    disconnect: Flag.Boolean("disconnect").pipe(
      Flag.withDescription("With --swap: end the connections of others to the live database"),
      Flag.withDefault(false)
    )
  },
  Effect.fnUntraced(
    function* (options) {
      const backup = Option.getOrElse(options.backup, () => "newest" as const)
      if (options.list) return yield* printContents(backup, options.from)
      const databases = yield* BackupDatabase
      const session = yield* databases.session
      const report = yield* restoreBackup(session, {
        backup,
        from: Option.getOrUndefined(options.from),
        into: Option.getOrNull(options.into),
        tables: Option.match(options.tables, {
          onNone: () => [],
          onSome: (text) => text.split(",").map((name) => name.trim())
        }),
        withRoles: !options.noRoles,
        swap: options.swap,
        disconnect: options.disconnect,
        dryRun: options.dryRun
      })
      yield* print(report, () => restoreText(report))
    },
    Effect.scoped,
    Effect.provide(everything()),
    withExitCodes,
    Effect.withSpan("backup restore")
  )
).pipe(
  Command.withDescription(
    "Restore the newest or the named backup into a new database; the live one is never written to"
  ),
  Command.withExamples([
    { command: "vlog backup restore --dry-run", description: "See what would be done" },
    { command: "vlog backup restore --into vlog_yesterday", description: "Look at the past beside the present" },
    { command: "vlog backup restore --swap", description: "Replace the live database; the old one is kept" }
  ])
)

const printContents = Effect.fnUntraced(function* (wanted: BackupName | "newest", from: Option.Option<Place>) {
  const tool = yield* BackupTool
  const chosen = yield* chooseBackup(wanted, Option.getOrUndefined(from))
  const { name } = chosen.manifest
  const contents = yield* tool.contents(yield* readableBytes(chosen), packingOf(name).wrapping)
  yield* print({ name, contents }, () => contents.join("\n"))
})

const drillCommand = Command.make(
  "drill",
  { from },
  Effect.fnUntraced(
    function* (options) {
      const report = yield* drillRestore(Option.getOrUndefined(options.from))
      yield* print(report, () => drillText(report))
    },
    Effect.tapError(noteFailure("drill")),
    withMetrics,
    Effect.provide(everything({ scratch: "embedded" })),
    withExitCodes,
    Effect.withSpan("backup drill")
  )
).pipe(
  Command.withDescription("Restore the newest backup on a throw-away server and take the time (RTO, RPO)"),
  Command.withExamples([{ command: "vlog backup drill", description: "Once a month" }])
)

export const backup = Command.make("backup", {}, create).pipe(
  Command.withShortDescription("Backups of the database that are proved restorable"),
  Command.withDescription(
    "Backups of the database that are proved restorable. Exit codes: 0 done, 65 a backup is damaged, 69 the database " +
      "cannot be used, 73 the disk cannot be written, 74 the backup is good but its copy is not there, 75 another run has " +
      "the lock, 78 refused because of settings, keys or versions, 143 stopped by a signal, 1 anything else"
  ),
  Command.withSubcommands([createCommand, listCommand, verifyCommand, pruneCommand, restoreCommand, drillCommand])
)

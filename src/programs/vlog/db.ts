/** `vlog db`: the schema of the database. */
import { Effect, Layer, Schema } from "effect"
import { Command } from "effect/cli"
import { Db } from "../../adapters/postgres/Db.ts"
import { migrate, status } from "../../adapters/postgres/Migrator.ts"
import { withExitCodes } from "../exit/exitCodes.ts"
import { print } from "../output/Json.ts"
import { table } from "../output/table.ts"
import { databaseSettings } from "../settings/database.ts"

const Status = Schema.Struct({
  pending: Schema.Int,
  migrations: Schema.Array(Schema.Struct({ name: Schema.String, applied_at: Schema.NullOr(Schema.DateFromString) }))
})

const encodeStatus = Schema.encodeSync(Status)

const database = Layer.unwrap(
  Effect.map(databaseSettings, ({ url }) => Db.layer({ url, applicationName: "vlog-db", max: 2 }))
)

const migrateCommand = Command.make(
  "migrate",
  {},
  Effect.fnUntraced(
    function* () {
      const applied = yield* migrate()
      yield* print({ applied }, () =>
        applied.length === 0 ? "The schema was up to date." : applied.map((name) => `applied ${name}`).join("\n")
      )
    },
    Effect.provide(database),
    withExitCodes
  )
).pipe(
  Command.withDescription(
    "Bring the schema up to what this version needs. The Worker API does the same at its start; several at once are safe"
  ),
  Command.withShortDescription("Bring the schema up to what this version needs"),
  Command.withExamples([{ command: "vlog db migrate", description: "Before the new version of the API is started" }])
)

const statusCommand = Command.make(
  "status",
  {},
  Effect.fnUntraced(
    function* () {
      const migrations = (yield* status()).map(({ appliedAt, name }) => ({ name, applied_at: appliedAt }))
      const pending = migrations.filter(({ applied_at }) => applied_at === null).length
      yield* print(encodeStatus({ pending, migrations }), () =>
        [
          table([
            ["MIGRATION", "APPLIED"],
            ...migrations.map(({ applied_at, name }) => [name, applied_at?.toISOString() ?? "not yet"])
          ]),
          pending === 0 ? "The schema is up to date." : `${pending} to apply: vlog db migrate`
        ].join("\n")
      )
    },
    Effect.provide(database),
    withExitCodes
  )
).pipe(
  Command.withDescription("Show which migrations the database has; changes nothing"),
  Command.withExamples([{ command: "vlog db status --json", description: "For a program" }])
)

export const db = Command.make("db").pipe(
  Command.withDescription("The schema of the database that VLOG_DATABASE_URL names"),
  Command.withSubcommands([migrateCommand, statusCommand])
)

/** The database: reachable, of which version, with which schema, and what time it thinks it is. */
import { Clock, Effect, Option, type Redacted, Schema } from "effect"
import { Db } from "../../adapters/postgres/Db.ts"
import { status } from "../../adapters/postgres/Migrator.ts"
import { clockFinding } from "./clock.ts"
import { type Finding, ok, problem, skipped, warning } from "./Finding.ts"

/** The oldest that its makers still mend. */
const oldestMajor = 15

const Answer = Schema.Struct({ version: Schema.String, number: Schema.Int, now: Schema.Date })

const asked = Effect.gen(function* () {
  const db = yield* Db
  // The first question waits for the connection.
  yield* db.ping
  const before = yield* Clock.currentTimeMillis
  const [answer] = yield* db.rows(
    Answer,
    (sql) => sql`
      select current_setting('server_version') as version,
             current_setting('server_version_num')::int as number,
             clock_timestamp() as now`
  )
  const after = yield* Clock.currentTimeMillis
  return { ...answer!, major: Math.floor(answer!.number / 10_000), before, after }
})

const schemaFinding = Effect.map(status(), (migrations): Finding => {
  const pending = migrations.filter(({ appliedAt }) => appliedAt === null)
  const newest = migrations.at(-1)?.name ?? "none"
  return pending.length === 0
    ? ok("schema", `${newest} is applied`)
    : warning("schema", `${pending.length} migrations are not applied`, "vlog db migrate, or start the Worker API")
}).pipe(Effect.catch((error) => Effect.succeed(problem("schema", error.message))))

const look = Effect.gen(function* () {
  const { after, before, major, now, version } = yield* asked
  const findings = [
    major < oldestMajor
      ? warning("database", `PostgreSQL ${version}`, `use ${oldestMajor} or later: this one is not mended any more`)
      : ok("database", `PostgreSQL ${version}`),
    clockFinding("database clock", "the database's", { asked: before, theirs: now.getTime(), answered: after }),
    yield* schemaFinding
  ]
  return { findings, serverMajor: Option.some(major) }
}).pipe(
  Effect.catch((error) =>
    Effect.succeed({
      findings: [
        problem("database", error.message, "check VLOG_DATABASE_URL, and that PostgreSQL runs and lets us in")
      ],
      serverMajor: Option.none<number>()
    })
  )
)

export const checkDatabase = (url: Option.Option<Redacted.Redacted>) =>
  Option.match(url, {
    onNone: () =>
      Effect.succeed({
        findings: [skipped("database", "VLOG_DATABASE_URL is not set")] as ReadonlyArray<Finding>,
        serverMajor: Option.none<number>()
      }),
    onSome: (url) =>
      look.pipe(
        Effect.provide(Db.layer({ url, applicationName: "vlog-doctor", max: 1 })),
        Effect.catchTag("DbError", (error) =>
          Effect.succeed({ findings: [problem("database", error.message)], serverMajor: Option.none<number>() })
        )
      )
  })

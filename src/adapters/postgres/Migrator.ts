/**
 * Brings the schema of the database up to what this code needs. A migration is a file `migrations/NNNN_name.sql`, run
 * once, in a transaction of its own, and never changed afterwards. There is no way back: an older program refuses a
 * newer schema.
 */
import { createHash } from "node:crypto"
import { fileURLToPath } from "node:url"
import { Effect, FileSystem, Path, Schema } from "effect"
import { Db, DbError, withStatementTimeout } from "./Db.ts"

export class MigrationError extends Schema.TaggedError<MigrationError>()("MigrationError", {
  reason: Schema.Literals(["BadFile", "NewerSchema", "Changed", "OutOfOrder", "Failed"]),
  description: Schema.String,
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message() {
    return this.description
  }
}

export interface MigrationStatus {
  readonly name: string
  readonly appliedAt: Date | null
}

/** Where the files lie: beside this one, or beside the bundle that holds it. */
const defaultFolder = fileURLToPath(new URL("./migrations", import.meta.url))

/** Applies what is missing, in order, and says what that was. Several at once are safe: one works, the others wait. */
export const migrate = (folder: string = defaultFolder) => withStatementTimeout("30 minutes")(applyAll(folder))

/** Every migration, with the time at which it was applied; fails as `migrate` would. Changes nothing. */
export const status = Effect.fn("Migrator.status")(function* (folder: string = defaultFolder) {
  const db = yield* Db
  const files = yield* readFiles(folder)
  const { count } = yield* db.query((sql) => sql`select where to_regclass('schema_migration') is not null`)
  const applied = count === 0 ? [] : yield* readApplied
  yield* check(files, applied)
  return files.map(({ id, name }): MigrationStatus => ({
    name,
    appliedAt: applied.find((row) => row.id === id)?.applied_at ?? null
  }))
})

const applyAll = Effect.fn("Migrator.migrate")(function* (folder: string) {
  const files = yield* readFiles(folder)
  yield* createTable
  const applied: Array<string> = []
  for (const file of files) {
    if (yield* apply(file, files)) applied.push(file.name)
  }
  // Also where there is no file that would have looked.
  yield* Effect.flatMap(readApplied, (known) => check(files, known))
  if (applied.length > 0) yield* Effect.logInfo("migrated the database", { applied })
  return applied as ReadonlyArray<string>
})

interface MigrationFile {
  readonly id: number
  readonly name: string
  readonly sha256: string
  readonly text: string
}

const Applied = Schema.Struct({
  id: Schema.Int,
  name: Schema.String,
  sha256: Schema.String,
  applied_at: Schema.Date
})
type Applied = typeof Applied.Type

/** Holds back everybody else until the transaction ends. The number only has to differ from other locks of ours. */
const lock = Effect.flatMap(Db, (db) => db.query((sql) => sql`select pg_advisory_xact_lock(7628103, 1)`))

const createTable = Effect.gen(function* () {
  const db = yield* Db
  yield* db.transaction(
    Effect.andThen(
      lock,
      db.query(
        (sql) => sql`
          create table if not exists schema_migration (
            id          integer     primary key,
            name        text        not null,
            sha256      text        not null,
            applied_at  timestamptz not null default now()
          )`
      )
    )
  )
})

const readApplied = Effect.flatMap(Db, (db) =>
  db.rows(Applied, (sql) => sql`select id, name, sha256, applied_at from schema_migration order by id`)
)

/** Says whether it was us who applied it. */
const apply = Effect.fnUntraced(function* (file: MigrationFile, files: ReadonlyArray<MigrationFile>) {
  const db = yield* Db
  const work = Effect.gen(function* () {
    yield* lock
    const applied = yield* readApplied
    yield* check(files, applied)
    if (applied.some(({ id }) => id === file.id)) return false
    yield* db
      .query((sql) => sql.unsafe(file.text))
      .pipe(Effect.mapError((cause) => (cause.reason === "Unavailable" ? cause : failed(file, cause))))
    yield* db.query(
      (sql) => sql`
        insert into schema_migration (id, name, sha256)
        values (${file.id}, ${file.name}, ${file.sha256})`
    )
    return true
  })
  return yield* db.transaction(work)
})

const failed = (file: MigrationFile, cause: DbError) =>
  new MigrationError({
    reason: "Failed",
    description: `migration ${file.name} failed and was undone: ${cause.message}`,
    cause
  })

const check = Effect.fnUntraced(function* (files: ReadonlyArray<MigrationFile>, applied: ReadonlyArray<Applied>) {
  const byId = new Map(files.map((file) => [file.id, file]))
  const unknown = applied.filter(({ id }) => !byId.has(id))
  if (unknown.length > 0) {
    return yield* new MigrationError({
      reason: "NewerSchema",
      description:
        `the database was migrated by a newer version of vlog (${unknown.map(({ name }) => name).join(", ")}); ` +
        "run that version, or restore a backup made before"
    })
  }
  const changed = applied.filter(({ id, sha256 }) => byId.get(id)?.sha256 !== sha256)
  if (changed.length > 0) {
    return yield* new MigrationError({
      reason: "Changed",
      description:
        `migration ${changed.map(({ name }) => name).join(", ")} is not what was applied to this database; ` +
        "put the file back as it was and add a new one for what is to change"
    })
  }
  const last = applied.at(-1)
  const late = files.find(({ id }) => last !== undefined && id < last.id && !applied.some((row) => row.id === id))
  if (last !== undefined && late !== undefined) {
    return yield* new MigrationError({
      reason: "OutOfOrder",
      description: `migration ${late.name} comes before ${last.name}, which was applied already; give it a later number`
    })
  }
})

const readFiles = Effect.fnUntraced(function* (folder: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const names = yield* fs
    .readDirectory(folder)
    .pipe(Effect.mapError((cause) => badFile(`cannot read the migrations in ${folder}: ${cause.message}`, cause)))
  const files: Array<MigrationFile> = []
  for (const fileName of names.filter((name) => name.endsWith(".sql")).toSorted()) {
    const id = /^(\d{4})_[a-z0-9_]+\.sql$/.exec(fileName)?.[1]
    if (id === undefined) return yield* badFile(`${fileName} is not named like 0001_what_it_does.sql`)
    const previous = files.at(-1)
    if (previous?.id === Number(id)) return yield* badFile(`${fileName} has the same number as ${previous.name}`)
    const text = yield* fs.readFileString(path.join(folder, fileName)).pipe(
      Effect.mapError((cause) => badFile(`cannot read ${fileName}: ${cause.message}`, cause)),
      // What a checkout on Windows makes of the same file.
      Effect.map((text) => text.replaceAll("\r\n", "\n"))
    )
    const sha256 = createHash("sha256").update(text).digest("hex")
    files.push({ id: Number(id), name: fileName.slice(0, -4), sha256, text })
  }
  return files
})

const badFile = (description: string, cause?: unknown) =>
  new MigrationError({ reason: "BadFile", description, ...(cause === undefined ? {} : { cause }) })

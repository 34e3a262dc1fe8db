/** BackupTool by pg_dump and pg_restore. Archives flow through pipes: what is hashed is what is stored. */
import { Deferred, Effect, Layer, Stream } from "effect"
import type { Wrapping } from "../../domain/backups/BackupName.ts"
import type { DatabaseProblem, DatabaseRef } from "../../domain/ports/BackupDatabase.ts"
import { type Archive, ArchiveRefused, BackupTool, ToolMissing } from "../../domain/ports/BackupTool.ts"
import type { ExitStatus } from "../process/launch.ts"
import { type Handle, type SpawnFailed, Subprocess } from "../process/Subprocess.ts"
import { identifier } from "./DatabaseQueries.ts"
import { anyDatabaseProblem, databaseProblem, errorLine } from "./Problems.ts"
import { needsScript, runScript } from "./OlderServer.ts"
import * as Psql from "./Psql.ts"
import { connectionString, Servers } from "./Servers.ts"
import * as Zstd from "./Zstd.ts"

const missing = (error: SpawnFailed) => Effect.fail(new ToolMissing({ problem: error.message }))

/** Nothing more is expected when a dump takes no lock in a minute: some migration runs. */
const dumpOptions = ["--format=custom", "--no-password", "--lock-wait-timeout=60s"]

const unwrap = <E>(archive: Archive<E>, wrapping: Wrapping): Stream.Stream<Uint8Array, E | ArchiveRefused> =>
  wrapping === "zstd" ? Zstd.decompress(archive) : archive

/** Feeds a child and waits for its end, which may come early: when it knows enough, or too much. */
const feed = <E>(handle: Handle, archive: Stream.Stream<Uint8Array, E>): Effect.Effect<ExitStatus, E> =>
  Effect.raceFirst(Effect.andThen(pour(handle, archive), Effect.never), handle.exitStatus)

/** The same to the end of the archive: a checksum may come after all that pg_restore wants to see. */
const feedAll = <E>(handle: Handle, archive: Stream.Stream<Uint8Array, E>): Effect.Effect<ExitStatus, E> => {
  const poured = Deferred.makeUnsafe<void>()
  const pouring = pour(handle, archive).pipe(
    Effect.tap(() => Deferred.succeed(poured, undefined)),
    Effect.andThen(Effect.never)
  )
  const ending = Effect.tap(handle.exitStatus, ({ code }) => (code === 0 ? Deferred.await(poured) : Effect.void))
  return Effect.raceFirst(pouring, ending)
}

const pour = <E>(handle: Handle, archive: Stream.Stream<Uint8Array, E>) =>
  Stream.runForEach(archive, handle.write).pipe(Effect.andThen(handle.endInput))

const make = Effect.gen(function* () {
  const servers = yield* Servers
  const subprocess = yield* Subprocess

  const version = subprocess.run("pg_dump", ["--version"]).pipe(
    Effect.map(({ stdout }) => stdout.trim()),
    Effect.catchTags({
      SpawnFailed: missing,
      ProcessFailed: (error) => Effect.fail(new ToolMissing({ problem: error.message }))
    })
  )

  const dump: BackupTool["Service"]["dump"] = (options) => {
    const level = options.wrapping === "zstd" ? 0 : options.compression
    const archive = Effect.gen(function* () {
      const handle = yield* subprocess
        .start(
          "pg_dump",
          [...dumpOptions, `--compress=${level}`, `--snapshot=${options.snapshot}`, `--dbname=${connectionString()}`],
          { env: servers.source, bareEnvironment: true, grace: "2 seconds" }
        )
        .pipe(Effect.catchTag("SpawnFailed", missing))
      const end = handle.exitStatus.pipe(
        Effect.flatMap((status): Effect.Effect<void, DatabaseProblem> =>
          status.code === 0
            ? Effect.void
            : Effect.flatMap(handle.stderrTail, (text) => Effect.fail(anyDatabaseProblem(text)))
        )
      )
      return Stream.concat(handle.bytes, Stream.fromEffectDrain(end))
    }).pipe(Stream.unwrap)
    return options.wrapping === "zstd" ? archive.pipe(Zstd.compress(options.compression)) : archive
  }

  const contents = Effect.fn("BackupTool.contents")(function* <E>(archive: Archive<E>, wrapping: Wrapping) {
    const handle = yield* subprocess
      .start("pg_restore", ["--list"], { stdin: "pipe" })
      .pipe(Effect.catchTag("SpawnFailed", missing))
    const [lines, status] = yield* Effect.all(
      [Stream.runCollect(handle.lines), feed(handle, unwrap(archive, wrapping))],
      { concurrency: 2 }
    )
    yield* checkExit(handle, status)
    return lines as ReadonlyArray<string>
  }, Effect.scoped)

  const readThrough = Effect.fn("BackupTool.readThrough")(function* <E>(archive: Archive<E>, wrapping: Wrapping) {
    const handle = yield* subprocess
      .start("pg_restore", ["--file=/dev/null"], { stdin: "pipe", stdout: "ignore" })
      .pipe(Effect.catchTag("SpawnFailed", missing))
    yield* checkExit(handle, yield* feedAll(handle, unwrap(archive, wrapping)))
  }, Effect.scoped)

  /** Choosing tables leaves out the schemas that they are in. */
  const makeSchemas = Effect.fnUntraced(
    function* (into: DatabaseRef, schemas: ReadonlyArray<string>) {
      const psql = yield* Psql.open(servers[into.server], into.name)
      yield* Effect.forEach(schemas, (schema) => psql.query(`create schema if not exists ${identifier(schema)}`))
    },
    Effect.scoped,
    Effect.provideService(Subprocess, subprocess)
  )

  const restore = Effect.fn("BackupTool.restore")(
    function* <E>(archive: Archive<E>, wrapping: Wrapping, options: Parameters<BackupTool["Service"]["restore"]>[2]) {
      const { into, tables } = options
      const schemas = [...new Set(tables.map(({ schema }) => schema))]
      if (schemas.length > 0) yield* makeSchemas(into, schemas)
      const environment = servers[into.server]
      const script = yield* needsScript(yield* version, environment, into)
      const restoring = yield* subprocess
        .start(
          "pg_restore",
          [
            script
              ? ["--file=-"]
              : ["--single-transaction", "--exit-on-error", "--no-password", `--dbname=${connectionString(into.name)}`],
            options.withRoles ? [] : ["--no-owner", "--no-privileges"],
            schemas.map((schema) => `--schema=${schema}`),
            tables.map(({ name }) => `--table=${name}`)
          ].flat(),
          {
            env: environment,
            bareEnvironment: true,
            stdin: "pipe",
            stdout: script ? "lines" : "ignore",
            grace: "5 seconds"
          }
        )
        .pipe(Effect.catchTag("SpawnFailed", missing))
      const reading = feedAll(restoring, unwrap(archive, wrapping))
      const { handle, status } = script
        ? yield* runScript(restoring, reading, environment, into)
        : { handle: restoring, status: yield* reading }
      if (status.code !== 0) {
        const problem = databaseProblem(yield* handle.stderrTail)
        if (problem !== undefined) return yield* problem
      }
      yield* checkExit(handle, status)
    },
    Effect.scoped,
    Effect.provideService(Subprocess, subprocess)
  )

  return BackupTool.of({ version, dump, contents, listsTable, readThrough, restore })
})

const checkExit = Effect.fnUntraced(function* (handle: Handle, status: ExitStatus) {
  if (status.code === 0) return
  const text = yield* handle.stderrTail
  return yield* new ArchiveRefused({
    problem: status.signal === null ? `pg_restore says: ${errorLine(text)}` : `pg_restore was ended by ${status.signal}`
  })
})

/** As in `3456; 0 16386 TABLE DATA public video vlog`, where line breaks in names are shown as spaces. */
const listsTable: BackupTool["Service"]["listsTable"] = (contents, table) => {
  const entry = ` TABLE DATA ${table.schema} ${table.name} `.replaceAll(/[\r\n]/g, " ")
  return contents.some((line) => line.includes(entry))
}

export const layer = Layer.effect(BackupTool, make)

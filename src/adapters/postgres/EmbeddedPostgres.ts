/** A PostgreSQL server of our own, for a laptop and for tests: started with the scope and stopped with it. */
import { createServer } from "node:net"
import { Context, Effect, FileSystem, Layer, Option, Path, Redacted, Schedule } from "effect"
import { Subprocess } from "../process/Subprocess.ts"
import { Db, type DbError } from "./Db.ts"
import {
  alreadyRunning,
  claimFolder,
  initialise,
  readPostmaster,
  serverEnvironment,
  superuser
} from "./embedded/cluster.ts"
import { EmbeddedPostgresError } from "./embedded/EmbeddedPostgresError.ts"
import { choosePlace, type Place } from "./embedded/place.ts"

export { EmbeddedPostgresError } from "./embedded/EmbeddedPostgresError.ts"

export interface EmbeddedPostgresOptions {
  /** Made when it is not there. */
  readonly dataFolder: string
  /** A free one unless given. Only this machine can connect. */
  readonly port?: number | undefined
  /** Of the user vlog. Without one a random password is made and kept in the data folder. */
  readonly password?: Redacted.Redacted | undefined
  /** `false` trades what was written last, at a loss of power, for speed: for tests. */
  readonly durable?: boolean | undefined
}

const database = "vlog"

export class EmbeddedPostgres extends Context.Service<
  EmbeddedPostgres,
  {
    /** Of the database vlog, with user and password. */
    readonly url: Redacted.Redacted
    readonly port: number
    /** Of the server. */
    readonly pid: number
    /** Never succeeds; fails when the server ends although nobody asked it to. */
    readonly died: Effect.Effect<never, EmbeddedPostgresError>
  }
>()("vlog/adapters/postgres/EmbeddedPostgres") {
  static readonly layer = (
    options: EmbeddedPostgresOptions
  ): Layer.Layer<EmbeddedPostgres, EmbeddedPostgresError, Subprocess | FileSystem.FileSystem | Path.Path> =>
    Layer.effect(EmbeddedPostgres, make(options))
}

const make = Effect.fnUntraced(function* (options: EmbeddedPostgresOptions) {
  const durable = options.durable ?? true
  const place = yield* choosePlace(options.dataFolder)
  const password = yield* initialise(place, { password: options.password, durable })
  const { server, port } = yield* start(place, options.dataFolder, { port: options.port ?? 0, durable })
  const urlOf = (name: string) =>
    Redacted.make(`postgres://${superuser}:${encodeURIComponent(Redacted.value(password))}@127.0.0.1:${port}/${name}`)
  yield* createDatabase.pipe(
    Effect.provide(Db.layer({ url: urlOf("postgres"), applicationName: "vlog-embedded", max: 1 })),
    Effect.catchTag("DbError", (cause) => Effect.fail(notOurs(options.dataFolder, cause)))
  )
  yield* Effect.logInfo("PostgreSQL is ready", { port, data: place.data })
  return EmbeddedPostgres.of({
    url: urlOf(database),
    port,
    pid: server.pid,
    died: server.exitStatus.pipe(
      Effect.andThen(server.stderrTail),
      Effect.flatMap((tail) =>
        Effect.fail(
          new EmbeddedPostgresError({ reason: "Stopped", description: `PostgreSQL ended by itself: ${tail}` })
        )
      )
    )
  })
})

const start = Effect.fnUntraced(function* (
  place: Place,
  wanted: string,
  options: { readonly port: number; readonly durable: boolean }
) {
  yield* claimFolder(place, wanted)
  return yield* startOnce(place, wanted, options).pipe(
    Effect.retry({
      while: (error) => (error.reason === "PortBusy" ? options.port === 0 : error.description.includes(orphansHold)),
      schedule: Schedule.spaced("200 millis"),
      times: 50
    })
  )
})

/** Said as long as what a killed server had started still ends. */
const orphansHold = "pre-existing shared memory block"

const startOnce = Effect.fnUntraced(function* (
  place: Place,
  wanted: string,
  options: { readonly port: number; readonly durable: boolean }
) {
  const subprocess = yield* Subprocess
  const path = yield* Path.Path
  const port = options.port === 0 ? yield* freePort : options.port
  const settings = [
    `port=${port}`,
    "listen_addresses=127.0.0.1",
    // Their folder would have to exist, be writable, and have a short name.
    "unix_socket_directories=",
    "max_connections=60",
    ...(options.durable ? [] : ["fsync=off", "synchronous_commit=off", "full_page_writes=off"])
  ]
  const args = ["-D", place.data, ...settings.flatMap((setting) => ["-c", setting])]
  const server = yield* subprocess
    .start(path.join(place.programs, "bin", "postgres"), args, {
      user: place.user,
      cwd: "/",
      env: serverEnvironment,
      stdout: "ignore",
      // Disconnects everybody and writes a checkpoint. SIGTERM would wait for clients.
      stopSignal: "SIGINT",
      diesWithParent: "SIGINT",
      grace: "30 seconds"
    })
    .pipe(
      Effect.mapError(
        (cause) => new EmbeddedPostgresError({ reason: "StartFailed", description: cause.message, cause })
      )
    )
  const ended = server.exitStatus.pipe(
    Effect.andThen(server.stderrTail),
    Effect.flatMap((tail) => Effect.fail(explain(tail, wanted, port)))
  )
  yield* acceptsConnections(place.data, server.pid).pipe(
    Effect.raceFirst(ended),
    Effect.timeoutOrElse({
      // Recovery after a crash replays what was written since the last checkpoint.
      duration: "2 minutes",
      orElse: () => Effect.flatMap(server.stderrTail, (tail) => Effect.fail(explain(tail, wanted, port)))
    })
  )
  return { server, port }
})

const acceptsConnections = (data: string, pid: number) =>
  Effect.sleep("20 millis").pipe(
    Effect.andThen(readPostmaster(data)),
    Effect.repeat({
      until: (found) => Option.isSome(found) && found.value.pid === pid && found.value.status === "ready"
    })
  )

function explain(tail: string, wanted: string, port: number) {
  if (tail.includes("could not bind")) {
    return new EmbeddedPostgresError({
      reason: "PortBusy",
      description: `port ${port} of 127.0.0.1 is taken by another program; choose another port, or 0 for a free one`
    })
  }
  const other = /lock file "postmaster\.pid" already exists[^]*?\(PID (\d+)\)/.exec(tail)
  if (other !== null) return alreadyRunning(wanted, Number(other[1]))
  return new EmbeddedPostgresError({ reason: "StartFailed", description: `PostgreSQL did not start:\n${tail}` })
}

const freePort = Effect.callback<number>((resume) => {
  const server = createServer()
  server.listen(0, "127.0.0.1", () => {
    const address = server.address()
    server.close(() => resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0)))
  })
})

const createDatabase = Effect.gen(function* () {
  const db = yield* Db
  const { count } = yield* db.query((sql) => sql`select from pg_database where datname = ${database}`)
  if (count === 0) yield* db.query((sql) => sql`create database ${sql(database)}`)
})

const notOurs = (folder: string, cause: DbError) =>
  cause.code === "28P01"
    ? new EmbeddedPostgresError({
        reason: "WrongPassword",
        description: `the data in ${folder} was made with another password; pass that one, or choose another folder`,
        cause
      })
    : new EmbeddedPostgresError({ reason: "StartFailed", description: cause.message, cause })

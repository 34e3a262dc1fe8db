/** The data folder: made once, and used by one server at a time. */
import { randomBytes } from "node:crypto"
import { Effect, FileSystem, Option, Path, Redacted } from "effect"
import { codeOf } from "../../process/causes.ts"
import { Subprocess } from "../../process/Subprocess.ts"
import { EmbeddedPostgresError } from "./EmbeddedPostgresError.ts"
import { type Place, unusable } from "./place.ts"

export const superuser = "vlog"

export const serverEnvironment = { LC_ALL: "C", TZ: "UTC" }

/** Makes the data folder unless it is there, and says its password. */
export const initialise = Effect.fnUntraced(
  function* (place: Place, options: { readonly password: Redacted.Redacted | undefined; readonly durable: boolean }) {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const passwordFile = path.join(place.data, "vlog.password")
    const there = yield* fs.readDirectory(place.data).pipe(Effect.orElseSucceed(() => []))
    if (there.length > 0) {
      yield* checkVersion(place.data)
      if (options.password !== undefined) return options.password
      return yield* fs.readFileString(passwordFile).pipe(
        Effect.map((text) => Redacted.make(text.trim())),
        Effect.mapError((cause) => unusable(place.data, `its password is not in ${passwordFile}; pass the one`, cause))
      )
    }

    yield* removeLeftovers(place.data)
    const password = options.password ?? Redacted.make(randomBytes(24).toString("base64url"))
    const partial = `${place.data}.partial.${process.pid}`
    yield* runInitdb(place, partial, password, options.durable)
    if (options.password === undefined) {
      yield* writeOwn(place, path.join(partial, "vlog.password"), Redacted.value(password))
    }
    // Complete or not there at all, whenever we are killed.
    yield* fs.rename(partial, place.data)
    return password
  },
  (effect, place) =>
    Effect.catchTag(effect, "PlatformError", (cause) => Effect.fail(unusable(place.data, cause.message, cause)))
)

/** Makes sure that nobody runs on the data folder, and removes what a server that was killed left behind. */
export const claimFolder = Effect.fnUntraced(
  function* (place: Place, wanted: string) {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const found = yield* readPostmaster(place.data)
    if (Option.isNone(found)) return
    // One that is on its way out, because whoever started it was killed a moment ago, is worth waiting for.
    const stillRuns = yield* Effect.sleep("50 millis").pipe(
      Effect.andThen(Effect.all([readPostmaster(place.data), isPostgres(found.value.pid)])),
      Effect.repeat({
        while: ([now, alive]) => alive && Option.isSome(now) && now.value.status === "stopping",
        times: 600
      }),
      Effect.map(([now, alive]) => alive && Option.isSome(now) && now.value.pid === found.value.pid)
    )
    if (stillRuns) return yield* alreadyRunning(wanted, found.value.pid)
    yield* fs.remove(path.join(place.data, "postmaster.pid"), { force: true })
  },
  (effect, place) =>
    Effect.catchTag(effect, "PlatformError", (cause) => Effect.fail(unusable(place.data, cause.message, cause)))
)

export const alreadyRunning = (folder: string, pid: number | undefined) =>
  new EmbeddedPostgresError({
    reason: "AlreadyRunning",
    description:
      `another PostgreSQL${pid === undefined ? "" : ` (process ${pid})`} already runs on ${folder}; ` +
      "stop the vlog that started it, or choose another data folder"
  })

/** What the server says about itself. */
export const readPostmaster = Effect.fnUntraced(function* (data: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const text = yield* Effect.option(fs.readFileString(path.join(data, "postmaster.pid")))
  return Option.map(text, (text) => {
    const lines = text.split("\n")
    return { pid: Number(lines[0]), status: lines[7]?.trim() ?? "" }
  })
})

const checkVersion = Effect.fnUntraced(function* (data: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const version = yield* Effect.option(fs.readFileString(path.join(data, "PG_VERSION")))
  if (Option.isNone(version)) return yield* unusable(data, "it holds other files; choose an empty or a new folder")
  if (version.value.trim() !== "15") {
    return yield* unusable(
      data,
      `it was made by PostgreSQL ${version.value.trim()}, and this is 15; move the data with pg_dump, or choose another`
    )
  }
})

const runInitdb = Effect.fnUntraced(function* (
  place: Place,
  partial: string,
  password: Redacted.Redacted,
  durable: boolean
) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const subprocess = yield* Subprocess
  yield* fs.makeDirectory(partial, { mode: 0o700 })
  if (place.user !== undefined) yield* fs.chown(partial, place.user.uid, place.user.gid)
  const passwordFile = `${partial}.password`
  const args = [
    ["-D", partial],
    ["-U", superuser],
    [`--pwfile=${passwordFile}`, "--auth=scram-sha-256"],
    ["--encoding=UTF8", "--no-locale"],
    durable ? [] : ["--no-sync"]
  ].flat()
  yield* Effect.acquireUseRelease(
    writeOwn(place, passwordFile, Redacted.value(password)),
    () =>
      subprocess.run(path.join(place.programs, "bin", "initdb"), args, {
        user: place.user,
        cwd: "/",
        env: serverEnvironment
      }),
    () => Effect.ignore(fs.remove(passwordFile))
  ).pipe(
    Effect.catchTags({ ProcessFailed: initFailed, SpawnFailed: initFailed }),
    Effect.onError(() => Effect.ignore(fs.remove(partial, { recursive: true })))
  )
})

const initFailed = (cause: { readonly message: string; readonly stderrTail?: string }) =>
  Effect.fail(
    new EmbeddedPostgresError({
      reason: "InitFailed",
      description: `could not make a PostgreSQL data folder: ${cause.message}\n${cause.stderrTail ?? ""}`.trim(),
      cause
    })
  )

/** Readable by the server only. */
const writeOwn = Effect.fnUntraced(function* (place: Place, file: string, text: string) {
  const fs = yield* FileSystem.FileSystem
  yield* fs.writeFileString(file, text, { mode: 0o600 })
  if (place.user !== undefined) yield* fs.chown(file, place.user.uid, place.user.gid)
})

/** Removes what attempts of processes that are gone left half made. */
const removeLeftovers = Effect.fnUntraced(function* (data: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const parent = path.dirname(data)
  const prefix = `${path.basename(data)}.partial.`
  for (const name of yield* fs.readDirectory(parent)) {
    if (!name.startsWith(prefix)) continue
    const pid = Number.parseInt(name.slice(prefix.length), 10)
    if (pid === process.pid || !isAlive(pid)) {
      yield* fs.remove(path.join(parent, name), { recursive: true, force: true })
    }
  }
})

/** Numbers of processes are used again: after a restart of the machine the old one may name anybody. */
const isPostgres = Effect.fnUntraced(function* (pid: number) {
  if (!isAlive(pid)) return false
  const fs = yield* FileSystem.FileSystem
  const name = yield* Effect.option(fs.readFileString(`/proc/${pid}/comm`))
  return Option.isNone(name) || name.value.trim() === "postgres"
})

function isAlive(pid: number): boolean {
  if (!(pid > 0)) return false
  try {
    return process.kill(pid, 0)
  } catch (cause) {
    return codeOf(cause) === "EPERM"
  }
}

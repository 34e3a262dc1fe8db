/**
 * Where PostgreSQL runs and as whom. It refuses to run as root, so that root needs another user for it, and that user
 * needs a way to the programs and to the data: both may lie in a folder that is closed to others, such as /root.
 */
import { createHash } from "node:crypto"
import { cp } from "node:fs/promises"
import { Effect, FileSystem, Option, Path } from "effect"
import { Subprocess } from "../../process/Subprocess.ts"
import { type Binaries, findBinaries } from "./binaries.ts"
import { EmbeddedPostgresError } from "./EmbeddedPostgresError.ts"

export interface Place {
  readonly programs: string
  readonly data: string
  readonly user: { readonly uid: number; readonly gid: number } | undefined
}

/** Open to every user, and kept over a restart of the machine. */
const sharedFolder = "/var/lib/vlog"

export const choosePlace = Effect.fnUntraced(function* (dataFolder: string) {
  const path = yield* Path.Path
  const wanted = path.resolve(dataFolder)
  yield* prepareParent(wanted)
  const binaries = yield* findBinaries
  if (process.getuid?.() !== 0) return { programs: binaries.folder, data: wanted, user: undefined } satisfies Place
  const user = yield* systemUser
  return {
    programs: yield* reachablePrograms(binaries, user),
    data: yield* reachableData(wanted, user),
    user
  } satisfies Place
})

type User = NonNullable<Place["user"]>

const prepareParent = Effect.fnUntraced(function* (wanted: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const info = yield* Effect.option(fs.stat(wanted))
  if (Option.isSome(info) && info.value.type !== "Directory") {
    return yield* unusable(wanted, "there is a file in its place")
  }
  if (Option.isSome(info)) return
  const parent = path.dirname(wanted)
  yield* fs.makeDirectory(parent, { recursive: true }).pipe(
    Effect.andThen(fs.access(parent, { writable: true })),
    Effect.mapError((cause) => unusable(wanted, `${parent} cannot be made or written: ${cause.message}`, cause))
  )
})

const systemUser = Effect.gen(function* () {
  const subprocess = yield* Subprocess
  const id = (flag: string) =>
    subprocess.run("id", [flag, "postgres"]).pipe(Effect.map(({ stdout }) => Number(stdout.trim())))
  return { uid: yield* id("-u"), gid: yield* id("-g") }
}).pipe(
  Effect.mapError(
    (cause) =>
      new EmbeddedPostgresError({
        reason: "NoSystemUser",
        description:
          "PostgreSQL refuses to run as root and there is no system user postgres to run it as; create it " +
          "(useradd --system --shell /usr/sbin/nologin postgres), or run vlog as an ordinary user",
        cause
      })
  )
)

const canReach = (user: User, path: string) =>
  Effect.flatMap(Subprocess, (subprocess) =>
    subprocess.run("test", ["-x", path], { user, cwd: "/" }).pipe(
      Effect.as(true),
      Effect.catchTag("ProcessFailed", () => Effect.succeed(false)),
      Effect.orDie
    )
  )

const reachablePrograms = Effect.fnUntraced(
  function* (binaries: Binaries, user: User) {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    if (yield* canReach(user, path.join(binaries.folder, "bin", "postgres"))) return binaries.folder

    const copy = path.join(sharedFolder, `postgres-${binaries.version}`)
    if (yield* fs.exists(copy)) return copy
    const partial = `${copy}.partial.${process.pid}`
    yield* openSharedFolder
    yield* Effect.tryPromise(() =>
      // Links into the closed folder would lead nowhere. The static libraries are only for programmers.
      cp(binaries.folder, partial, { recursive: true, dereference: true, filter: (from) => !from.endsWith(".a") })
    )
    yield* fs.rename(partial, copy).pipe(
      // Somebody else was faster.
      Effect.catch(() => fs.remove(partial, { recursive: true }))
    )
    yield* Effect.logInfo("copied PostgreSQL to where the user postgres can reach it", {
      from: binaries.folder,
      to: copy
    })
    return copy
  },
  Effect.mapError((cause) => unusable(sharedFolder, "it is to hold a copy of PostgreSQL", cause))
)

const reachableData = Effect.fnUntraced(function* (wanted: string, user: User) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  // A link that an earlier start has left leads to the place that was chosen then.
  const real = yield* fs.realPath(wanted).pipe(Effect.orElseSucceed(() => wanted))
  if (yield* canReach(user, path.dirname(real))) return real

  const there = yield* fs.readDirectory(wanted).pipe(Effect.orElseSucceed(() => []))
  if (there.length > 0) {
    return yield* unusable(
      wanted,
      "PostgreSQL runs as the user postgres here, who may not pass one of the folders above; open them (chmod o+x)"
    )
  }
  const hash = createHash("sha256").update(wanted).digest("hex").slice(0, 12)
  const data = path.join(sharedFolder, `data-${hash}`)
  yield* openSharedFolder.pipe(Effect.mapError((cause) => unusable(data, `${sharedFolder} cannot be made`, cause)))
  yield* Effect.ignore(fs.symlink(data, wanted))
  yield* Effect.logInfo("the user postgres cannot reach the data folder, so the data is kept elsewhere", {
    wanted,
    kept: data
  })
  return data
})

const openSharedFolder = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  yield* fs.makeDirectory(sharedFolder, { recursive: true })
  yield* fs.chmod(sharedFolder, 0o755)
})

export function unusable(folder: string, problem: string, cause?: unknown) {
  return new EmbeddedPostgresError({
    reason: "FolderUnusable",
    description: `cannot keep the data of PostgreSQL in ${folder}: ${problem}`,
    ...(cause === undefined ? {} : { cause })
  })
}

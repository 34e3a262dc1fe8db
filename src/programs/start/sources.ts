/** The videos that were named on the command line, looked at before anything is started. */
import { Effect, Result } from "effect"
import { stat } from "node:fs/promises"
import { resolve } from "node:path"
import { objection } from "../../domain/media/Source.ts"
import { MediaProbe } from "../../domain/ports/MediaProbe.ts"
import { startError } from "./StartError.ts"

/** Its absolute path, if it is one with something in it. */
export const asFile = Effect.fnUntraced(function* (name: string) {
  const path = resolve(process.env["INIT_CWD"] ?? process.cwd(), name)
  const found = yield* Effect.option(Effect.tryPromise(() => stat(path)))
  if (found._tag === "None") return yield* startError(`${name}: there is no such file`)
  if (found.value.isDirectory())
    return yield* startError(`${name} is a folder: name the videos in it, like ${name}/*.mp4`)
  if (!found.value.isFile()) return yield* startError(`${name} is not a file`)
  if (found.value.size === 0) return yield* startError(`${name} is empty: copy it again from where it came from`)
  return path
})

const assertPlayable = Effect.fnUntraced(function* (path: string) {
  const probe = yield* MediaProbe
  const source = yield* probe.probe(path)
  const rejected = objection(source)
  if (rejected !== null) return yield* rejected
})

/** Absolute paths; or everything that is wrong with any of the files. */
export const checkSources = Effect.fnUntraced(function* (names: ReadonlyArray<string>) {
  const results = yield* Effect.forEach(names, (name) =>
    asFile(name).pipe(
      Effect.tap((path) => Effect.mapError(assertPlayable(path), (error) => startError(`${name}: ${error.message}`))),
      Effect.result
    )
  )
  const problems = results.flatMap((result) => (Result.isFailure(result) ? result.failure.problems : []))
  if (problems.length > 0) return yield* startError(...problems)
  return results.flatMap((result) => (Result.isSuccess(result) ? [result.success] : []))
})

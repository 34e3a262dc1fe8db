/** Finds out how good one archive is, level by level, and stops at the first that it fails. */
import type { Stream } from "effect"
import { Effect } from "effect"
import type { Wrapping } from "../backups/BackupName.ts"
import { differences, type Fingerprint } from "../backups/Fingerprint.ts"
import { type Check, type CheckResult, levelOf, levels } from "../backups/Verification.ts"
import { BackupDatabase } from "../ports/BackupDatabase.ts"
import type { BackupStoreProblem, Digest } from "../ports/BackupStore.ts"
import { ArchiveRefused, BackupTool } from "../ports/BackupTool.ts"
import { scratchDatabase } from "./ScratchDatabase.ts"
import { timed } from "./timed.ts"

export interface Subject {
  readonly read: Stream.Stream<Uint8Array, BackupStoreProblem>
  readonly digest: Effect.Effect<Digest, BackupStoreProblem>
  readonly wrapping: Wrapping
}

export interface Expected extends Digest {
  readonly fingerprint: Fingerprint
}

type Outcome = Pick<CheckResult, "outcome" | "problem">

const passed: Outcome = { outcome: "passed", problem: null }
const failed = (problem: string): Outcome => ({ outcome: "failed", problem })

/** The first few, for a message. */
const summary = (problems: ReadonlyArray<string>): string =>
  problems.length > 5 ? `${problems.slice(0, 5).join("; ")}; and ${problems.length - 5} more` : problems.join("; ")

const verdict = (problems: ReadonlyArray<string>): Outcome =>
  problems.length === 0 ? passed : failed(summary(problems))

const refusedFails = <E, R>(effect: Effect.Effect<Outcome, E, R>) =>
  Effect.catchIf(
    effect,
    (error): error is Extract<E, ArchiveRefused> => error instanceof ArchiveRefused,
    (error) => Effect.succeed(failed(error.message))
  )

/** Levels above `upTo` are not tried. `key` names the database, for the scratch ones. */
export const verifyArchive = Effect.fn("verifyArchive")(function* (
  subject: Subject,
  expected: Expected,
  options: { readonly upTo: number; readonly key: string }
) {
  const tool = yield* BackupTool
  const databases = yield* BackupDatabase
  const scratch = yield* scratchDatabase(options.key)

  const checks = {
    contents: tool.contents(subject.read, subject.wrapping).pipe(
      Effect.map((contents) => {
        const missing = expected.fingerprint.tables.filter((table) => !tool.listsTable(contents, table))
        return verdict(missing.map((table) => `the rows of ${table.schema}.${table.name} are not in it`))
      }),
      refusedFails
    ),
    digest: Effect.map(subject.digest, (found) => {
      if (found.bytes !== expected.bytes) return failed(`it has ${found.bytes} bytes instead of ${expected.bytes}`)
      return found.sha256 === expected.sha256 ? passed : failed("its bytes are not those that were written")
    }),
    read: tool.readThrough(subject.read, subject.wrapping).pipe(Effect.as(passed), refusedFails),
    restore: scratch.create.pipe(
      Effect.andThen(tool.restore(subject.read, subject.wrapping, { into: scratch.ref, withRoles: false, tables: [] })),
      Effect.as(passed),
      refusedFails
    ),
    fingerprint: Effect.map(databases.fingerprint(scratch.ref), (found) =>
      verdict(differences(expected.fingerprint, found))
    ),
    indexes: databases.checkIndexes(scratch.ref)
  } satisfies Record<Check, Effect.Effect<Outcome, unknown>>

  const results: Array<CheckResult> = []
  for (const check of levels) {
    if (levelOf(check) > options.upTo) break
    const [result, seconds] = yield* timed(checks[check]).pipe(Effect.withSpan(`verify.${check}`))
    results.push({ check, ...result, seconds })
    yield* Effect.logDebug("checked", { check, ...result, seconds })
    if (result.outcome === "failed") break
  }
  return results as ReadonlyArray<CheckResult>
}, Effect.scoped)

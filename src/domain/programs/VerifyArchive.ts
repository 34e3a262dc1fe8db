/** Finds out how good one archive is, level by level, and stops at the first that it fails. */
import { Effect, Stream } from "effect"
import type { Wrapping } from "../backups/BackupName.ts"
import { differences, type Fingerprint } from "../backups/Fingerprint.ts"
import { type Check, type CheckResult, levelOf } from "../backups/Verification.ts"
import { KeyMissing } from "../ports/BackupCipher.ts"
import { BackupDatabase } from "../ports/BackupDatabase.ts"
import type { Digest } from "../ports/BackupStore.ts"
import { ArchiveRefused, BackupTool } from "../ports/BackupTool.ts"
import type { ShelfProblem } from "./Catalogue.ts"
import { scratchDatabase } from "./ScratchDatabase.ts"
import { timed } from "./timed.ts"

export interface Subject {
  /** Undefined where it is encrypted and no key is at hand. */
  readonly read: Stream.Stream<Uint8Array, ShelfProblem | ArchiveRefused | KeyMissing> | undefined
  readonly digest: Effect.Effect<Digest, ShelfProblem>
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
  const { wrapping } = subject
  const read = subject.read ?? Stream.fail(new KeyMissing({ problem: "BACKUP_AGE_IDENTITY_FILE is not set" }))

  const checks = {
    contents: tool.contents(read, wrapping).pipe(
      Effect.map((contents) => {
        const missing = expected.fingerprint.tables.filter((table) => !tool.listsTable(contents, table))
        return verdict(missing.map((table) => `the rows of ${table.schema}.${table.name} are not in it`))
      }),
      Effect.catchIf(
        (error) => error instanceof KeyMissing,
        ({ problem }) => Effect.succeed<Outcome>({ outcome: "skipped", problem: `it is encrypted, and ${problem}` })
      ),
      refusedFails
    ),
    digest: Effect.map(subject.digest, (found) => {
      if (found.bytes !== expected.bytes) return failed(`it has ${found.bytes} bytes instead of ${expected.bytes}`)
      return found.sha256 === expected.sha256 ? passed : failed("its bytes are not those that were written")
    }),
    read: tool.readThrough(read, wrapping).pipe(Effect.as(passed), refusedFails),
    restore: scratch.create.pipe(
      Effect.andThen(tool.restore(read, wrapping, { into: scratch.ref, withRoles: false, tables: [] })),
      Effect.as(passed),
      refusedFails
    ),
    fingerprint: Effect.map(databases.fingerprint(scratch.ref), (found) =>
      verdict(differences(expected.fingerprint, found))
    ),
    indexes: databases.checkIndexes(scratch.ref)
  } satisfies Record<Check, Effect.Effect<Outcome, unknown>>

  const results: Array<CheckResult> = []
  /** Whether to go on. */
  const note = (result: CheckResult) =>
    Effect.logInfo("checked", { ...result }).pipe(
      Effect.andThen(Effect.sync(() => results.push(result))),
      Effect.as(result.outcome === "passed")
    )
  const run = (check: Check) =>
    timed(checks[check]).pipe(
      Effect.map(([outcome, seconds]): CheckResult => ({ check, ...outcome, seconds })),
      Effect.tap(({ outcome, problem }) => Effect.annotateCurrentSpan({ outcome, problem })),
      Effect.withSpan(`verify.${check}`)
    )
  const tries = (check: Check) => levelOf(check) <= options.upTo

  /** The digest first: when the bytes are those that were written, a key that does not fit is no damage. */
  const firstChecks = Effect.gen(function* () {
    if (tries("digest") && !(yield* note(yield* run("digest")))) return false
    return yield* note(yield* run("contents"))
  })

  /** Restoring reads everything as well. Only when it fails is there something to tell apart. */
  const restoreCheck = Effect.gen(function* () {
    const restored = yield* run("restore")
    const implied: CheckResult = { ...restored, check: "read", seconds: 0 }
    return (yield* note(restored.outcome === "passed" ? implied : yield* run("read"))) && (yield* note(restored))
  })

  const lookInside = Effect.gen(function* () {
    if (!tries("restore")) return yield* note(yield* run("read"))
    if (!(yield* restoreCheck)) return false
    const last = (["fingerprint", "indexes"] as const).filter(tries)
    for (const result of yield* Effect.forEach(last, run, { concurrency: 2 })) if (!(yield* note(result))) return false
    return true
  })

  if ((yield* firstChecks) && tries("read")) yield* lookInside
  return results.toSorted((a, b) => levelOf(a.check) - levelOf(b.check)) as ReadonlyArray<CheckResult>
}, Effect.scoped)

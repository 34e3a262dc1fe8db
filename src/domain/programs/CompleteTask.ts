/** From a worker's word that it is done to a published video. */
import { Effect } from "effect"
import type { Account } from "../jobs/Attempt.ts"
import { assemble, confirmManifest } from "../jobs/Completion.ts"
import type { FileDigest } from "../media/Segment.ts"
import type { Holder, Languages, Subject, TaskOutput } from "../ports/JobStore.ts"
import { JobStore } from "../ports/JobStore.ts"
import { MediaStore } from "../ports/MediaStore.ts"
import type { SourceFacts } from "../videos/Video.ts"

const languagesOf = (outputs: ReadonlyArray<TaskOutput>): Languages =>
  Object.assign({}, ...outputs.map((output) => output.languages))

/**
 * The worker's list is compared with what the server holds, and the files of all tasks must make one whole
 * presentation. Only then does a folder for viewers exist, and only then does the pointer move.
 */
export const completeTask = Effect.fn("completeTask")(function* (
  subject: Subject,
  holder: Holder,
  report: {
    readonly facts: SourceFacts
    readonly languages: Languages
    readonly files: ReadonlyArray<FileDigest>
    readonly account: Account
  }
) {
  const jobs = yield* JobStore
  const media = yield* MediaStore
  return yield* jobs.complete(subject, holder, {
    facts: report.facts,
    languages: report.languages,
    account: report.account,
    confirm: (registered) => Effect.fromResult(confirmManifest(report.files, registered)),
    publish: Effect.fnUntraced(function* (publication, outputs) {
      const presentation = yield* Effect.fromResult(
        assemble(
          outputs.flatMap((output) => output.files),
          {
            duration: report.facts.duration,
            languages: languagesOf(outputs)
          }
        )
      )
      yield* media.assemblePublication(publication, outputs, presentation)
      return presentation
    })
  })
})

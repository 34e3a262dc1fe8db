/** One attempt of a worker at one task, from the download to the published output. */
import { type Duration, Effect, Ref } from "effect"
import { accept } from "../jobs/Acceptance.ts"
import type { VideoCodec } from "../media/Codec.ts"
import { describe } from "../media/Encoder.ts"
import type { EncoderPolicy } from "../media/EncoderSelection.ts"
import type { ClaimedTask } from "../ports/JobStore.ts"
import { WorkerApi } from "../ports/WorkerApi.ts"
import { Workspace } from "../ports/Workspace.ts"
import { Encoders } from "../workers/Encoders.ts"
import { inStep } from "../workers/Metrics.ts"
import { type AttemptReport, enter, finished } from "./AttemptReport.ts"
import { encodingSource } from "./EncodeSource.ts"
import { firstThatWorks } from "./FirstThatWorks.ts"
import { receiveSource } from "./ReceiveSource.ts"

export const transcodeTask = Effect.fnUntraced(function* (options: {
  readonly task: ClaimedTask
  readonly codec: VideoCodec
  readonly policy: EncoderPolicy
  /** For the encoders of this task; null leaves it to ffmpeg. */
  readonly threads: number | null
  /** How long a worker that is told to stop waits for what it has in hand. */
  readonly drainFor: Duration.Duration
  readonly report: Ref.Ref<AttemptReport>
  /** What the job's history should know of this attempt. */
  readonly notes: Ref.Ref<ReadonlyArray<string>>
}) {
  const { notes, report, task } = options
  const api = yield* WorkerApi
  const workspace = yield* Workspace
  const encoders = yield* Encoders

  const folder = yield* workspace.open(task.leaseId, task.source.extension, task.source.bytes)
  const received = yield* receiveSource({ task, path: folder.source, report })
  const { encode, sent } = yield* encodingSource({ ...options, folder, received })

  const { video } = received.begun?.foreseen ?? (yield* received.whole)
  const wanted = task.codec ?? { name: options.codec, required: false }
  const usable = yield* encoders.chain({ codec: wanted.name, depth: video.bitDepth }, options.policy)
  const chain = wanted.required ? usable.filter(({ codec }) => codec === wanted.name) : usable
  const { facts, files, plan } = yield* firstThatWorks(chain, wanted, sent, encode, notes)

  yield* Ref.update(report, enter("finalize", 98))
  const presentation = yield* Effect.suspend(() => Effect.fromResult(accept(plan, files))).pipe(
    inStep("verify", { "vlog.files": files.length }),
    // ffmpeg ends well on a full disk, where even its list of segments has nothing in it.
    Effect.tapError(() => workspace.room),
    // Whatever a driver says, one whose output is wrong is not asked again.
    Effect.tapError((error) =>
      plan.encoder.backend === "software" ? Effect.void : encoders.refuse(plan.encoder, error.message)
    )
  )
  const said = yield* Ref.get(notes)
  yield* inStep("publish")(api.complete(task, { facts, files, presentation, notes: said }))
  yield* Ref.update(report, finished(plan))
  yield* Effect.logInfo("completed", { files: files.length, encoder: describe(plan.encoder) })
}, Effect.scoped)

/** How a source comes to this machine, and from when on it can be worked on. */
import { Effect, Fiber, Metric, Ref, Stream, SubscriptionRef } from "effect"
import type { Sha256 } from "../ids.ts"
import type { ArrivingSource } from "../media/ArrivingSource.ts"
import { objection, type Source } from "../media/Source.ts"
import type { ClaimedTask } from "../ports/JobStore.ts"
import { MediaProbe } from "../ports/MediaProbe.ts"
import { WorkerApi } from "../ports/WorkerApi.ts"
import { bytesDownloaded, inStep } from "../workers/Metrics.ts"
import { type AttemptReport, enter } from "./AttemptReport.ts"
import { unlessToldToStop } from "./StopEarly.ts"

/** Less is here before its encoding could begin. */
const worthwhileBytes = 8 * 1024 ** 2

/** A source whose encoding may begin although it is not all here. */
export interface Begun {
  readonly arriving: ArrivingSource
  /** What it will turn out to be if its beginning tells the truth. */
  readonly foreseen: Source
}

export type Received = Effect.Success<ReturnType<typeof receiveSource>>

/**
 * Only in a first attempt: what an earlier one left is gone on with in the middle, where nothing has arrived yet, and one
 * that failed may have failed by beginning too early. And only where a digest says in the end what should have come.
 */
const mayBegin = ({ attempt, source }: ClaimedTask): Sha256 | null =>
  attempt === 1 && source.bytes >= worthwhileBytes ? source.sha256 : null

/** Null where its beginning does not tell, or tells of something that only the whole can be judged for. */
const foresee = Effect.fnUntraced(
  function* (arriving: ArrivingSource) {
    const foreseen = yield* (yield* MediaProbe).foresee(arriving)
    return foreseen === null || objection(foreseen) !== null ? null : { arriving, foreseen }
  },
  Effect.orElseSucceed(() => null)
)

/**
 * Begins the download, which lasts as long as the scope at most. `whole` waits until all has arrived, is what it should
 * be and was looked into; `begun` is null where there is nothing to do before that.
 */
export const receiveSource = Effect.fnUntraced(function* (options: {
  readonly task: ClaimedTask
  /** Where it goes to. */
  readonly path: string
  readonly report: Ref.Ref<AttemptReport>
}) {
  const { path, report, task } = options
  const { bytes } = task.source
  const api = yield* WorkerApi
  const probe = yield* MediaProbe
  const arrived = yield* SubscriptionRef.make(0)

  yield* Ref.update(report, enter("download", 0))
  const download = yield* unlessToldToStop(
    api.download(task, path, (count) => SubscriptionRef.set(arrived, count))
  ).pipe(
    inStep("download", { "vlog.source.bytes": bytes }),
    Effect.andThen(Metric.update(bytesDownloaded, bytes)),
    Effect.forkScoped
  )
  const whole = yield* Effect.forkScoped(
    Effect.gen(function* () {
      yield* Fiber.join(download)
      // An encode that began already has more to report.
      if ((yield* Ref.get(report)).progress.step === "download") yield* Ref.update(report, enter("probe", 5))
      const source = yield* inStep("probe")(unlessToldToStop(probe.probe(path)))
      const rejected = objection(source)
      return rejected === null ? source : yield* rejected
    })
  )

  const sha256 = mayBegin(task)
  const beyond = (position: number) =>
    SubscriptionRef.changes(arrived).pipe(
      Stream.filter((count) => count > position),
      Stream.runHead,
      Effect.flatMap(Effect.fromOption),
      Effect.orDie
    )
  const begun =
    sha256 === null
      ? null
      : yield* foresee({ path, bytes, sha256, beyond }).pipe(Effect.raceFirst(Effect.as(Fiber.await(download), null)))
  return { whole: Fiber.join(whole), begun }
})

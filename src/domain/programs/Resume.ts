/** How a worker goes on with what an earlier attempt at its task had uploaded. */
import { Effect, Option, Schema, Stream } from "effect"
import { Fingerprint } from "../ids.ts"
import { resumption, type Resumption } from "../jobs/Resumption.ts"
import { initName } from "../media/Segment.ts"
import type { TranscodePlan } from "../media/TranscodePlan.ts"
import type { ClaimedTask } from "../ports/JobStore.ts"
import { type TranscodeEvent, Transcoder } from "../ports/Transcoder.ts"
import { WorkerApi } from "../ports/WorkerApi.ts"
import { Workspace } from "../ports/Workspace.ts"

/** This encoder makes other init segments than the one before, whatever their names say: nothing may be joined. */
class OtherEncoder extends Schema.TaggedError<OtherEncoder>()("OtherEncoder", { rendition: Schema.String }) {}

/** Tells the API which encoder works on the task, and finds out what need not be made again. */
export const findResumption = Effect.fn("findResumption")(function* (task: ClaimedTask, plan: TranscodePlan) {
  const api = yield* WorkerApi
  const transcoder = yield* Transcoder
  const left = yield* api.begin(task, yield* transcoder.fingerprint(plan))
  return Option.isNone(left) ? null : resumption(plan, left.value)
})

/**
 * Has the API keep what is made under a name that no other attempt asks for, so that nobody goes on with it: it is of a
 * source that nothing vouches for yet. `findResumption` gives it its right name later.
 */
export const beginUnvouched = Effect.fnUntraced(function* (task: ClaimedTask) {
  const api = yield* WorkerApi
  yield* api.begin(task, Fingerprint.make(task.leaseId.replaceAll("-", "").toLowerCase().repeat(2)))
})

/**
 * Holds back what the encoder makes until the init segment of every picture rendition has come and is the one that the
 * earlier segments need; takes those over then. Until then nothing of this attempt is anywhere but on this machine, so
 * that it can still begin afresh.
 */
export const takingOver =
  (task: ClaimedTask, resumed: Resumption, adopted: Effect.Effect<void>) =>
  <E, R>(events: Stream.Stream<TranscodeEvent, E, R>) => {
    const expected = new Map(
      resumed.files.filter(({ name }) => name === initName).map((init) => [init.rendition, init.sha256])
    )
    const held: Array<TranscodeEvent> = []
    return Stream.flatMap(
      Stream.mapEffect(
        events,
        Effect.fnUntraced(function* (event) {
          if (event._tag !== "FileReady") return [event]
          const init = event.name === initName ? expected.get(event.rendition) : undefined
          if (init !== undefined) {
            const { sha256 } = yield* (yield* Workspace).digest(event)
            if (sha256 !== init) return yield* new OtherEncoder({ rendition: event.rendition })
            expected.delete(event.rendition)
            if (expected.size === 0) {
              yield* (yield* WorkerApi).adopt(task, resumed)
              yield* adopted
              return [...held.splice(0), event]
            }
          }
          if (expected.size === 0) return [event]
          held.push(event)
          return []
        })
      ),
      Stream.fromIterable
    )
  }

/** How a worker goes on with what an earlier attempt at its task had uploaded. */
import { Effect, Option, Schema, Stream } from "effect"
import { type Leavings, resumption, type Resumption } from "../jobs/Resumption.ts"
import { initName, type RegisteredFile } from "../media/Segment.ts"
import type { TranscodePlan } from "../media/TranscodePlan.ts"
import type { ClaimedTask } from "../ports/JobStore.ts"
import { type TranscodeEvent, Transcoder } from "../ports/Transcoder.ts"
import { WorkerApi } from "../ports/WorkerApi.ts"
import { Workspace } from "../ports/Workspace.ts"

/** This encoder makes other init segments than the one before, whatever their names say: nothing may be joined. */
class OtherEncoder extends Schema.TaggedError<OtherEncoder>()("OtherEncoder", { rendition: Schema.String }) {}

/** Tells the API which encoder works on the task, and finds out whether there may be something to go on with. */
export const findLeavings = Effect.fnUntraced(function* (task: ClaimedTask, plan: TranscodePlan) {
  const api = yield* WorkerApi
  const transcoder = yield* Transcoder
  const left = yield* api.begin(task, yield* transcoder.fingerprint(plan))
  return Option.isSome(left) && resumption(plan, left.value) !== null ? left.value : null
})

/**
 * Without what was made of other bytes than the source has, which is at `path`: those that came before may have been
 * spoiled.
 */
const ofThisSource = Effect.fnUntraced(function* ({ source }: ClaimedTask, path: string, { files, lease }: Leavings) {
  const lengths = files.flatMap(({ prefix }) => prefix?.bytes ?? []).filter((bytes) => bytes < source.bytes)
  const found = yield* (yield* Workspace).digestsOfFirst(path, lengths)
  const fits = ({ prefix }: RegisteredFile) =>
    prefix !== undefined && prefix.sha256 === (prefix.bytes === source.bytes ? source.sha256 : found.get(prefix.bytes))
  return { lease, files: files.filter(fits) }
})

/** As `findLeavings`, and finds out what of it need not be made again, now that the whole source is at `path`. */
export const findResumption = Effect.fn("findResumption")(function* (
  task: ClaimedTask,
  plan: TranscodePlan,
  path: string
) {
  const left = yield* findLeavings(task, plan)
  return left === null ? null : resumption(plan, yield* ofThisSource(task, path, left))
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

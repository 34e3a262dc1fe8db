/** How an attempt ends when its worker is told to stop: as soon as nothing that was worked on is lost by it. */
import { Duration, Effect, Stream, SubscriptionRef } from "effect"
import { initName } from "../media/Segment.ts"
import type { TranscodePlan } from "../media/TranscodePlan.ts"
import type { TranscodeEvent } from "../ports/Transcoder.ts"
import { WorkerState } from "../workers/WorkerState.ts"
import { secondsLeft } from "./AttemptReport.ts"

/** For what leaves nothing behind that another attempt could go on with. */
export const unlessToldToStop = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(WorkerState, (state) =>
    SubscriptionRef.changes(state).pipe(
      Stream.filter(({ phase }) => phase === "draining"),
      Stream.take(1),
      Stream.runDrain,
      Effect.andThen(Effect.interrupt),
      Effect.raceFirst(effect)
    )
  )

/**
 * `throughSegment` lets an encode go on to the end of the segment in hand once the worker was told to stop, or to its
 * own end where that is near; ending it there leaves what is on its way to the API undisturbed. `giveBack` interrupts
 * an attempt whose encode was ended so, which gives its task back.
 */
export const makeStop = Effect.fnUntraced(function* (
  plan: TranscodePlan,
  options: {
    /** Segments that were there before. */
    readonly madeSegments: number
    /** How long the worker waits. */
    readonly drainFor: Duration.Duration
  }
) {
  const state = yield* WorkerState
  const made = new Map(plan.video.map(({ name }) => [name, options.madeSegments]))
  /** Segments of each rendition to end with; null until it is known, and for ever where there is time for all. */
  let goal: number | null = null
  let left: number | null = null
  let stopped = false

  // Half of the time is for the last uploads.
  const timeForAll = () => left !== null && left <= Duration.toSeconds(options.drainFor) / 2

  const isLast = (event: TranscodeEvent) =>
    Effect.map(SubscriptionRef.get(state), ({ phase }) => {
      if (phase === "draining" && goal === null) goal = timeForAll() ? Infinity : Math.min(...made.values()) + 1
      if (event._tag === "Advanced") {
        left = secondsLeft(plan, event)
        return false
      }
      if (event._tag === "Damaged") return false
      const count = made.get(event.rendition)
      if (count !== undefined && event.name !== initName) made.set(event.rendition, count + 1)
      stopped = goal !== null && Math.min(...made.values()) >= goal
      return stopped
    })

  return {
    throughSegment: <E, R>(events: Stream.Stream<TranscodeEvent, E, R>) => Stream.takeUntilEffect(events, isLast),
    giveBack: Effect.suspend(() => (stopped ? Effect.interrupt : Effect.void))
  }
})

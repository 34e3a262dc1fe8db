import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Ref, Stream } from "effect"
import * as Progress from "../../../src/domain/jobs/Progress.ts"
import { segmentName } from "../../../src/domain/media/Segment.ts"
import { RenditionName } from "../../../src/domain/media/Rendition.ts"
import { anyBackend } from "../../../src/domain/media/EncoderSelection.ts"
import type { AttemptReport } from "../../../src/domain/programs/AttemptReport.ts"
import { Encoders } from "../../../src/domain/workers/Encoders.ts"
import { TestClock } from "effect/testing"
import { keepRoom } from "../../../src/domain/programs/KeepRoom.ts"
import { transcodeTask } from "../../../src/domain/programs/TranscodeTask.ts"
import { WorkspaceError } from "../../../src/domain/ports/Workspace.ts"
import { claimedTask, makeWorker } from "../support/worker.ts"

const full = new WorkspaceError({ reason: "full", problem: "There are 3 MB left" })

/** Of which the fake's inspector knows nothing. */
const unknown = {
  _tag: "FileReady",
  rendition: RenditionName.make("360p"),
  name: segmentName(0),
  path: "somewhere"
} as const

/** A disk that is full while `isFull` is true. */
const watched = Effect.gen(function* () {
  const isFull = yield* Ref.make(true)
  const held = yield* Ref.make(false)
  const room = Effect.flatMap(Ref.get(isFull), (is) => (is ? Effect.fail(full) : Effect.void))
  const fiber = yield* keepRoom(held).pipe(Effect.provide(makeWorker({ room }).layer), Effect.forkChild)
  return { fiber, isFull, held: Ref.get(held) }
})

describe("a full disk", () => {
  it.effect("has the encoder rest until there is room again", () =>
    Effect.gen(function* () {
      const { fiber, isFull, held } = yield* watched
      yield* TestClock.adjust("2 seconds")
      assert.isTrue(yield* held)
      yield* TestClock.adjust("100 seconds")
      yield* Ref.set(isFull, false)
      yield* TestClock.adjust("2 seconds")
      assert.isFalse(yield* held)
      // Patience begins anew.
      yield* Ref.set(isFull, true)
      yield* TestClock.adjust("100 seconds")
      assert.isTrue(yield* held)
      yield* Fiber.interrupt(fiber)
    })
  )

  it.effect("ends the attempt, which is worth another, where nothing makes room for too long", () =>
    Effect.gen(function* () {
      const { fiber } = yield* watched
      yield* TestClock.adjust("3 minutes")
      const error = yield* Effect.flip(Fiber.join(fiber))
      assert.strictEqual(error.reason, "full")
      assert.strictEqual(error.message, "There are 3 MB left")
    })
  )

  it.effect.each([
    ["that have nothing in them", { transcode: () => Stream.make(unknown) }],
    ["of which some are not in ffmpeg's list", { lost: [`360p/${segmentName(1)}`] }]
  ] as const)("is why there are segments %s", ([, encoder]) =>
    Effect.gen(function* () {
      yield* (yield* Encoders).discover
      const error = yield* Effect.flip(
        transcodeTask({
          task: claimedTask(),
          codec: "h264",
          policy: anyBackend,
          threads: null,
          drainFor: Duration.seconds(20),
          report: yield* Ref.make<AttemptReport>({ progress: Progress.none, facts: null }),
          notes: yield* Ref.make<ReadonlyArray<string>>([])
        })
      )
      assert.strictEqual(error.message, "There are 3 MB left")
    }).pipe(Effect.provide(makeWorker({ ...encoder, room: Effect.fail(full) }).layer))
  )
})

import { assert, it } from "@effect/vitest"
import { Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { VideoId, WorkerId } from "../../../src/domain/ids.ts"
import { DeliveryStore } from "../../../src/domain/ports/DeliveryStore.ts"
import { LeaseRefused } from "../../../src/domain/ports/JobStore.ts"
import { StoreUnavailable } from "../../../src/domain/ports/StoreUnavailable.ts"
import { holdWhileMoving } from "../../../src/domain/programs/HoldWhileMoving.ts"

const holder = { worker: WorkerId.make("7f3b1c9e-5a0d-4f7e-9c55-2b7a7b0c1d2e"), lease: null }

it.effect("a claim is kept while a transfer goes on, through an outage too, and not for one that stands still", () =>
  Effect.gen(function* () {
    let moved = 0
    let extended = 0
    let answer: Effect.Effect<void, LeaseRefused | StoreUnavailable> = Effect.void
    const store = Layer.mock(DeliveryStore)({
      put: () =>
        Effect.suspend(() => {
          extended++
          return answer
        })
    })
    const fiber = yield* holdWhileMoving(
      { video: VideoId.make(1) },
      holder,
      Effect.sync(() => moved)
    ).pipe(Effect.provide(store), Effect.forkChild({ startImmediately: true }))
    const pauses = (more: number, bytes: number) =>
      Effect.gen(function* () {
        for (let pause = 0; pause < more; pause++) {
          moved += bytes
          yield* TestClock.adjust("20 seconds")
        }
      })
    yield* pauses(40, 1)
    assert.strictEqual(extended, 40)
    yield* pauses(40, 0)
    assert.strictEqual(extended, 40)
    answer = Effect.fail(new StoreUnavailable({ cause: "away" }))
    yield* pauses(2, 1)
    assert.strictEqual(extended, 42)
    answer = Effect.fail(new LeaseRefused({ reason: "superseded" }))
    yield* pauses(5, 1)
    assert.strictEqual(extended, 43)
    yield* Fiber.join(fiber)
  })
)

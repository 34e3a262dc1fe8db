import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer } from "effect"
import type { Encoder } from "../../../src/domain/media/Encoder.ts"
import { anyBackend } from "../../../src/domain/media/EncoderSelection.ts"
import { TranscodeFailed, Transcoder } from "../../../src/domain/ports/Transcoder.ts"
import { Encoders } from "../../../src/domain/workers/Encoders.ts"
import { capable } from "../support/worker.ts"

const gpu = (device: string): Encoder => ({ name: "h264_nvenc", codec: "h264", backend: "nvenc", device })
const libx264: Encoder = { name: "libx264", codec: "h264", backend: "software", device: null }

/** Two GPUs, of which those in `gone` fail a trial. */
const machine = (gone: Set<string>) =>
  Encoders.layer.pipe(
    Layer.provide(
      Layer.mock(Transcoder)({
        detect: Effect.succeed(capable([gpu("0"), gpu("1"), libx264])),
        tryOut: ({ device }) =>
          device !== null && gone.has(device)
            ? new TranscodeFailed({ reason: "device", problem: "still gone", details: "" })
            : Effect.void
      })
    )
  )

/** With what the trials at the start found. */
const known = Effect.tap(Encoders, ({ discover }) => discover)

const firstChoice = Effect.gen(function* () {
  const [first] = yield* (yield* Encoders).chain({ codec: "h264", depth: 8 }, anyBackend)
  return first?.device
})

describe("the encoders of a machine", () => {
  it.effect("come back when a trial of them succeeds again", () => {
    const gone = new Set(["0"])
    return Effect.gen(function* () {
      const encoders = yield* known
      yield* encoders.refuse(gpu("0"), "fell off its bus")
      yield* encoders.recheck
      assert.strictEqual(yield* firstChoice, "1")
      gone.delete("0")
      yield* encoders.recheck
      assert.strictEqual((yield* encoders.capabilities)?.refused.length, 0)
      assert.strictEqual(yield* firstChoice, "0")
    }).pipe(Effect.provide(machine(gone)))
  })

  it.effect("are noticed to be gone while the device rests", () => {
    const gone = new Set<string>()
    return Effect.gen(function* () {
      const encoders = yield* known
      yield* encoders.recheck
      assert.isEmpty((yield* encoders.capabilities)?.refused)
      gone.add("0")
      yield* encoders.recheck
      assert.deepStrictEqual((yield* encoders.capabilities)?.refused, [{ encoder: gpu("0"), reason: "still gone" }])
      assert.strictEqual(yield* firstChoice, "1")
    }).pipe(Effect.provide(machine(gone)))
  })

  it.effect("are left alone while the device works, which would fail by itself", () => {
    const gone = new Set(["0"])
    return Effect.gen(function* () {
      const encoders = yield* known
      yield* encoders.using(gpu("0"), encoders.recheck)
      assert.isEmpty((yield* encoders.capabilities)?.refused)
    }).pipe(Effect.provide(machine(gone)))
  })

  it.effect("are not known before they were tried", () =>
    Effect.gen(function* () {
      const encoders = yield* Encoders
      assert.isNull(yield* encoders.capabilities)
      assert.isUndefined(yield* firstChoice)
      yield* encoders.recheck
    }).pipe(Effect.provide(machine(new Set())))
  )

  it.effect("take turns, so that every GPU works", () =>
    Effect.gen(function* () {
      const encoders = yield* known
      const used: Array<string | null | undefined> = []
      for (let task = 0; task < 4; task++) {
        const device = yield* firstChoice
        used.push(device)
        yield* encoders.using(gpu(device!), Effect.void)
      }
      assert.deepStrictEqual(used, ["0", "1", "0", "1"])
    }).pipe(Effect.provide(machine(new Set())))
  )

  it.effect("leave a busy GPU for one that has nothing to do", () =>
    Effect.gen(function* () {
      const encoders = yield* known
      const done = yield* Deferred.make<void>()
      yield* encoders.using(gpu("1"), Effect.void)
      const fiber = yield* Effect.forkChild(encoders.using(gpu("0"), Deferred.await(done)))
      yield* Effect.yieldNow
      assert.strictEqual(yield* firstChoice, "1")
      yield* encoders.using(gpu("1"), Effect.void)
      assert.strictEqual(yield* firstChoice, "1")
      yield* Deferred.succeed(done, undefined)
      yield* Fiber.join(fiber)
    }).pipe(Effect.provide(machine(new Set())))
  )
})

/** How workers and videos get in. */
import { assert } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { randomUUID } from "node:crypto"
import { type WorkerId } from "../../../src/domain/ids.ts"
import { JobStore } from "../../../src/domain/ports/JobStore.ts"
import { VideoStore } from "../../../src/domain/ports/VideoStore.ts"
import { WorkerRegistry } from "../../../src/domain/ports/WorkerRegistry.ts"
import * as Slug from "../../../src/domain/videos/Slug.ts"
import { sha256 } from "../../domain/support/ids.ts"
import type { Test } from "./contract.ts"
import { addWorker } from "./given.ts"

export const registration = (test: Test) => {
  test("knows keys by their every letter, and nobody without one", () =>
    Effect.gen(function* () {
      const registry = yield* WorkerRegistry
      const { id, key } = yield* addWorker()
      const text = Redacted.value(key)
      assert.strictEqual(yield* registry.authenticate(key), id)
      const other = Redacted.value((yield* addWorker()).key)
      const swapped = text.slice(0, 19) + other.slice(19)
      for (const wrong of ["", "vlogw_", text.slice(0, -1), `${text}0`, text.toUpperCase(), swapped]) {
        const refused = yield* Effect.flip(registry.authenticate(Redacted.make(wrong)))
        assert.deepInclude(refused, { _tag: "Unauthenticated", reason: "invalid" }, wrong)
      }
      assert.isFalse(yield* registry.revoke(randomUUID() as WorkerId))
    }))

  test("finds a free slug, and keeps neither video nor job when the source cannot be stored", () =>
    Effect.gen(function* () {
      const videos = yield* VideoStore
      const jobs = yield* JobStore
      const make = <E>(store: () => Effect.Effect<void, E>) =>
        videos.create({
          title: "Same",
          slug: Slug.fromTitle("Same"),
          wishes: { priority: 0 },
          source: { fileName: "same.mp4", extension: ".mp4", bytes: 1, sha256: sha256(7) },
          store
        })
      const same = make(() => Effect.void)
      const three = yield* Effect.all([same, same, same], { concurrency: 3 })
      assert.strictEqual(new Set(three.map(({ video }) => video.slug)).size, 3)
      assert.strictEqual(yield* Effect.flip(make(() => Effect.fail("disk" as const))), "disk")
      assert.strictEqual((yield* videos.list({ sha256: sha256(7), limit: 10, offset: 0 })).length, 3)
      assert.strictEqual((yield* jobs.jobs({ limit: 10, offset: 0 })).length, 3)
      assert.deepStrictEqual(yield* videos.list({ sha256: sha256(8), limit: 10, offset: 0 }), [])
    }))
}

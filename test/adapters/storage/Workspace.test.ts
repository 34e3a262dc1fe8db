import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { createHash, randomBytes } from "node:crypto"
import { existsSync } from "node:fs"
import { mkdir, mkdtemp, rm, statfs, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import * as DiskWorkspace from "../../../src/adapters/storage/Workspace.ts"
import { Workspace } from "../../../src/domain/ports/Workspace.ts"
import { leaseId } from "../../domain/support/ids.ts"

const temporary = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "vlog-workspace-"))),
  (folder) => Effect.promise(() => rm(folder, { recursive: true, force: true }))
)

const free = async (path: string) => {
  const { bavail, bsize } = await statfs(path)
  return bavail * bsize
}

const inWorkspace = <A, E, R>(keepFree: number, use: (root: string) => Effect.Effect<A, E, R | Workspace>) =>
  Effect.gen(function* () {
    const root = yield* temporary
    return yield* Effect.provide(use(root), DiskWorkspace.layer({ root, keepFree }))
  }).pipe(Effect.scoped)

const openFolder = (bytes: number, task = 1) =>
  Effect.flatMap(Workspace, (workspace) => workspace.open(leaseId(task), ".mp4", bytes))

describe("a worker's disk", () => {
  it.live("holds a task's folder as long as the task", () =>
    inWorkspace(0, () =>
      Effect.gen(function* () {
        const folder = yield* Effect.scoped(
          Effect.tap(openFolder(1), ({ output }) => Effect.sync(() => assert.isTrue(existsSync(output))))
        )
        assert.isFalse(existsSync(dirname(folder.source)))
      })
    )
  )

  it.live("is made again where somebody cleaned it away meanwhile", () =>
    inWorkspace(0, (root) =>
      Effect.gen(function* () {
        yield* Effect.promise(() => rm(root, { recursive: true }))
        const { output } = yield* openFolder(1)
        assert.isTrue(existsSync(output))
      })
    )
  )

  it.live("tells the digests of what a file begins with, as far as it goes", () =>
    inWorkspace(0, (root) =>
      Effect.gen(function* () {
        const bytes = randomBytes(200_000)
        const path = join(root, "source")
        yield* Effect.promise(() => writeFile(path, bytes))
        const found = yield* (yield* Workspace).digestsOfFirst(path, [200_000, 70_000, 1, 70_000, 200_001])
        const digest = (length: number) => createHash("sha256").update(bytes.subarray(0, length)).digest("hex")
        assert.deepStrictEqual(
          [...found],
          [1, 70_000, 200_000].map((length) => [length, digest(length)])
        )
      })
    )
  )

  it.live("is not filled by a source that is larger than it", () =>
    inWorkspace(0, (root) =>
      Effect.gen(function* () {
        const room = yield* Effect.promise(() => free(root))
        const error = yield* Effect.flip(Effect.scoped(openFolder(room * 2)))
        assert.strictEqual(error.reason, "full")
        assert.match(
          error.message,
          /has \d+ MB left, and \d+ MB for what is still to come of sources and 0 MB to spare are wanted/
        )
        assert.include(error.message, "VLOG_WORKER_WORK_DIR")
      })
    )
  )

  it.live("is promised to one task only", () =>
    inWorkspace(0, (root) =>
      Effect.gen(function* () {
        const most = Math.floor((yield* Effect.promise(() => free(root))) * 0.6)
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* openFolder(most)
            const error = yield* Effect.flip(Effect.scoped(openFolder(most, 2)))
            assert.strictEqual(error.reason, "full")
          })
        )
        // The first is over.
        yield* Effect.scoped(openFolder(most, 2))
      })
    )
  )

  it.live("keeps VLOG_WORKER_MIN_FREE_SPACE free before a task and while it goes on", () =>
    inWorkspace(Number.MAX_SAFE_INTEGER, () =>
      Effect.gen(function* () {
        const before = yield* Effect.flip(Effect.scoped(openFolder(0)))
        assert.strictEqual(before.reason, "full")
        const during = yield* Effect.flip((yield* Workspace).room)
        assert.strictEqual(during.reason, "full")
        assert.include(during.message, "VLOG_WORKER_MIN_FREE_SPACE")
      })
    )
  )

  it.live("lets a task go on where there is room", () =>
    inWorkspace(1, () => Effect.flatMap(Workspace, ({ room }) => room))
  )

  it.live("lets go of a file, and of a folder with all that is in it", () =>
    inWorkspace(0, (root) =>
      Effect.gen(function* () {
        const workspace = yield* Workspace
        yield* Effect.promise(() => mkdir(join(root, "a/b"), { recursive: true }))
        yield* Effect.promise(() => writeFile(join(root, "a/b/c"), "c"))
        yield* workspace.remove(join(root, "a/b/c"))
        yield* workspace.remove(join(root, "a"))
        yield* workspace.remove(join(root, "a"))
        assert.isFalse(existsSync(join(root, "a")))
      })
    )
  )
})

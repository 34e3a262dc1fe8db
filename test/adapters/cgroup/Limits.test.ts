import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { readAllowance } from "../../../src/adapters/cgroup/Limits.ts"

const GiB = 1024 ** 3
const machine = { processors: 64, memory: 256 * GiB }

/** A machine whose kernel says this, and its allowance. */
const allowed = (files: Readonly<Record<string, string>>) =>
  Effect.gen(function* () {
    const root = yield* Effect.acquireRelease(
      Effect.promise(() => mkdtemp(join(tmpdir(), "vlog-cgroup-"))),
      (root) => Effect.promise(() => rm(root, { recursive: true, force: true }))
    )
    yield* Effect.promise(async () => {
      for (const [path, text] of Object.entries(files)) {
        await mkdir(dirname(join(root, path)), { recursive: true })
        await writeFile(join(root, path), `${text}\n`)
      }
    })
    return yield* readAllowance(root, machine)
  }).pipe(Effect.scoped)

const group = "sys/fs/cgroup"
const unlimited = { processors: 64, cpus: 64, memory: null }

const cases: ReadonlyArray<{
  readonly name: string
  readonly files: Readonly<Record<string, string>>
  readonly allowance: Effect.Success<ReturnType<typeof allowed>>
}> = [
  { name: "no control groups at all", files: {}, allowance: unlimited },
  {
    name: "version 2 in a container, which sees its own group as the root",
    files: {
      "proc/self/cgroup": "0::/",
      [`${group}/cpu.max`]: "400000 100000",
      [`${group}/memory.max`]: String(8 * GiB),
      [`${group}/cpuset.cpus.effective`]: "0-63"
    },
    allowance: { processors: 64, cpus: 4, memory: 8 * GiB }
  },
  {
    name: "version 2 without a limit",
    files: { "proc/self/cgroup": "0::/", [`${group}/cpu.max`]: "max 100000", [`${group}/memory.max`]: "max" },
    allowance: unlimited
  },
  {
    name: "version 2 with parts of processors",
    files: { "proc/self/cgroup": "0::/", [`${group}/cpu.max`]: "50000 100000" },
    allowance: { ...unlimited, cpus: 0.5 }
  },
  {
    name: "version 2 where a group further up is narrower",
    files: {
      "proc/self/cgroup": "0::/kubepods/pod1/worker",
      [`${group}/kubepods/pod1/worker/cpu.max`]: "max 100000",
      [`${group}/kubepods/pod1/cpu.max`]: "200000 100000",
      [`${group}/kubepods/pod1/worker/memory.max`]: String(4 * GiB),
      [`${group}/kubepods/memory.max`]: String(16 * GiB)
    },
    allowance: { processors: 64, cpus: 2, memory: 4 * GiB }
  },
  {
    name: "version 2 where the path is one that this container does not see",
    files: { "proc/self/cgroup": "0::/../../pod1/worker", [`${group}/cpu.max`]: "100000 100000" },
    allowance: { ...unlimited, cpus: 1 }
  },
  {
    name: "version 2 with a set of processors",
    files: { "proc/self/cgroup": "0::/", [`${group}/cpuset.cpus.effective`]: "2-5,8" },
    allowance: { processors: 5, cpus: 5, memory: null }
  },
  {
    name: "version 1",
    files: {
      "proc/self/cgroup": "12:memory:/docker/one\n4:cpu,cpuacct:/docker/one\n2:cpuset:/docker/one\n0::/",
      [`${group}/cpu,cpuacct/docker/one/cpu.cfs_quota_us`]: "150000",
      [`${group}/cpu,cpuacct/docker/one/cpu.cfs_period_us`]: "100000",
      [`${group}/memory/docker/one/memory.limit_in_bytes`]: String(2 * GiB),
      [`${group}/cpuset/docker/one/cpuset.cpus`]: "0-7"
    },
    allowance: { processors: 8, cpus: 1.5, memory: 2 * GiB }
  },
  {
    name: "version 1 in a container, whose groups lie at the top",
    files: {
      "proc/self/cgroup": "4:cpu,cpuacct:/docker/one\n12:memory:/docker/one",
      [`${group}/cpu,cpuacct/cpu.cfs_quota_us`]: "200000",
      [`${group}/cpu,cpuacct/cpu.cfs_period_us`]: "100000",
      [`${group}/memory/memory.limit_in_bytes`]: String(3 * GiB)
    },
    allowance: { processors: 64, cpus: 2, memory: 3 * GiB }
  },
  {
    name: "version 1 without a limit, said with a large number and a negative one",
    files: {
      "proc/self/cgroup": "4:cpu,cpuacct:/\n12:memory:/",
      [`${group}/cpu,cpuacct/cpu.cfs_quota_us`]: "-1",
      [`${group}/cpu,cpuacct/cpu.cfs_period_us`]: "100000",
      [`${group}/memory/memory.limit_in_bytes`]: "9223372036854771712"
    },
    allowance: unlimited
  },
  {
    name: "nonsense",
    files: {
      "proc/self/cgroup": "what\n\n::",
      [`${group}/cpu.max`]: "a lot",
      [`${group}/memory.max`]: "",
      [`${group}/cpuset.cpus.effective`]: "all"
    },
    allowance: unlimited
  }
]

describe("what the kernel allows", () => {
  for (const { allowance, files, name } of cases) {
    it.live(`is read from ${name}`, () =>
      Effect.map(allowed(files), (found) => assert.deepStrictEqual(found, allowance))
    )
  }

  it.live("is something on this very machine", () =>
    Effect.map(readAllowance(), ({ cpus, processors }) => {
      assert.isAbove(cpus, 0)
      assert.isAtMost(cpus, processors)
    })
  )
})

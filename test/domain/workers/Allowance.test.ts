import { assert, describe, it } from "@effect/vitest"
import type { Encoder } from "../../../src/domain/media/Encoder.ts"
import { anyBackend, encoderChain, policies } from "../../../src/domain/media/EncoderSelection.ts"
import { type Allowance, tasksAtOnce, threadsOfTask } from "../../../src/domain/workers/Allowance.ts"

const GiB = 1024 ** 3
const libx264: Encoder = { name: "libx264", codec: "h264", backend: "software", device: null }
const gpu = (device: string, codec: Encoder["codec"] = "h264"): Encoder => ({
  name: `${codec}_nvenc`,
  codec,
  backend: "nvenc",
  device,
  vendor: "nvidia"
})

const machine = (own: Partial<Allowance>): Allowance => ({ processors: 64, cpus: 64, memory: null, ...own })

describe("the number of tasks at once", () => {
  const cases: ReadonlyArray<readonly [name: string, Allowance, ReadonlyArray<Encoder>, tasks: number]> = [
    ["one on a laptop", machine({ processors: 4, cpus: 4 }), [libx264], 1],
    ["one in a container that has the time of four of 64 processors", machine({ cpus: 4 }), [libx264], 1],
    ["one where there is less than one processor", machine({ cpus: 0.5 }), [libx264], 1],
    ["more where there are more processors than one ffmpeg can use", machine({}), [libx264], 8],
    ["as many as find room in memory", machine({ memory: 8 * GiB }), [libx264], 4],
    ["one where there is room for none", machine({ memory: GiB / 2 }), [libx264], 1],
    ["one a device, however many encoders it has", machine({}), [gpu("0"), gpu("0", "hevc"), gpu("1"), libx264], 2],
    ["one a device, however few processors", machine({ cpus: 2 }), [gpu("0"), gpu("1"), libx264], 2]
  ]
  for (const [name, allowance, working, tasks] of cases) {
    it(`is ${name}`, () => {
      assert.strictEqual(tasksAtOnce(allowance, encoderChain({ codec: "h264", depth: 8 }, working, anyBackend)), tasks)
    })
  }

  it("does not count devices that the operator does not want used", () => {
    const working = [gpu("0"), gpu("1"), libx264]
    const tasks = (policy: keyof typeof policies) =>
      tasksAtOnce(machine({ cpus: 4 }), encoderChain({ codec: "h264", depth: 8 }, working, policies[policy]))
    assert.strictEqual(tasks("none"), 1)
    assert.strictEqual(tasks("intel"), 1)
    assert.strictEqual(tasks("nvidia"), 2)
  })
})

describe("the threads of a task", () => {
  it("are ffmpeg's own choice where it has all that it sees", () => {
    assert.isNull(threadsOfTask({ processors: 8, cpus: 8, memory: null }, 1))
  })

  it("are no more than there is time for", () => {
    assert.strictEqual(threadsOfTask(machine({ cpus: 4 }), 1), 4)
    assert.strictEqual(threadsOfTask(machine({ cpus: 2.5 }), 1), 3)
    assert.strictEqual(threadsOfTask(machine({ cpus: 0.2 }), 1), 1)
  })

  it("are each task's share", () => {
    assert.strictEqual(threadsOfTask(machine({}), 8), 8)
    assert.strictEqual(threadsOfTask(machine({ cpus: 4 }), 3), 2)
  })
})

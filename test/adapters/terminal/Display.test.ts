import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { makeDisplay } from "../../../src/adapters/terminal/Display.ts"
import { jobLine, jobLines, type ShownJob } from "../../../src/adapters/terminal/JobLines.ts"
import { RenditionName } from "../../../src/domain/media/Rendition.ts"

const running: ShownJob = {
  name: "harbour",
  status: "running",
  step: "transcode",
  percent: 42,
  problem: null,
  renditions: [
    { name: RenditionName.make("1080p"), status: "in_progress", percent: 50, speed: 1.234, secondsLeft: 75 },
    { name: RenditionName.make("360p"), status: "pending", percent: 0, speed: null, secondsLeft: null },
    { name: RenditionName.make("audio-0"), status: "uploaded", percent: 100, speed: 9, secondsLeft: 0 }
  ]
}

describe("a job as lines", () => {
  it("has one bar a rendition, with speed and time left", () => {
    assert.deepStrictEqual(jobLines(running, 60), [
      "harbour: transcoding",
      "  1080p     ██████████░░░░░░░░░░  50 %  1.23x  1:15 left",
      "  360p      ░░░░░░░░░░░░░░░░░░░░   0 %",
      "  audio-0   ████████████████████ 100 %  9.00x"
    ])
  })

  it("fits every terminal", () => {
    for (const columns of [1, 10, 20, 40, 79, 80, 120, 400]) {
      for (const line of jobLines({ ...running, name: "x".repeat(500) }, columns)) {
        assert.isAtMost(line.length, columns)
      }
    }
  })

  it("says in words what is the matter, in one line", () => {
    const said = (change: Partial<ShownJob>) => jobLines({ ...running, ...change }, 200)
    assert.deepStrictEqual(said({ status: "queued" }), ["harbour: waiting for a worker"])
    assert.deepStrictEqual(said({ status: "queued", problem: "no disk" }), ["harbour: will be tried again: no disk"])
    assert.deepStrictEqual(said({ status: "done" }), ["harbour: published"])
    assert.deepStrictEqual(said({ status: "cancelled" }), ["harbour: cancelled"])
    assert.deepStrictEqual(said({ status: "failed", problem: "first\nsecond" }), ["harbour: failed: first"])
    assert.deepStrictEqual(said({ status: "failed" }), ["harbour: failed: no reason was given"])
    assert.strictEqual(said({ step: null })[0], "harbour: starting")
  })

  it("writes hours where there are any", () => {
    const left = (secondsLeft: number) =>
      jobLine({ ...running, renditions: [{ ...running.renditions[0]!, secondsLeft }] })
    assert.include(left(59.6), "1:00 left")
    assert.include(left(3599), "59:59 left")
    assert.include(left(36_000 + 61), "10:01:01 left")
    assert.include(left(-5), "0:00 left")
  })

  it("is one line for a log", () => {
    assert.strictEqual(jobLine(running), "harbour: transcoding 42 % (1.23x  1:15 left)")
    assert.strictEqual(jobLine({ ...running, renditions: [] }), "harbour: transcoding 42 %")
    assert.strictEqual(jobLine({ ...running, status: "done" }), "harbour: published")
  })
})

const recorder = (isTTY: boolean) => {
  const written: Array<string> = []
  return { written, output: { isTTY, columns: 60, write: (text: string) => written.push(text) } }
}

/** What a terminal shows after all this: the cursor goes up, the rest is cleared, lines are written. */
const screenOf = (written: ReadonlyArray<string>) => {
  let lines: Array<string> = []
  for (const text of written) {
    const up = text.startsWith("\u001B[") ? Number.parseInt(text.slice(2), 10) : 0
    const cleared = text.indexOf("\r\u001B[J")
    assert.isAtLeast(cleared, 0)
    const rest = text.slice(cleared + 4)
    lines = [...lines.slice(0, lines.length - up), ...rest.split("\n").slice(0, -1)]
  }
  return lines
}

describe("the display", () => {
  it.effect("stays in place on a terminal, also when bars come and go", () =>
    Effect.gen(function* () {
      const { output, written } = recorder(true)
      const show = makeDisplay(output)
      const other: ShownJob = { ...running, name: "other", status: "queued", renditions: [] }
      yield* show([{ ...running, status: "queued" }, other])
      assert.deepStrictEqual(screenOf(written), ["harbour: waiting for a worker", "other: waiting for a worker"])
      yield* show([running, other])
      assert.deepStrictEqual(screenOf(written), [...jobLines(running, 60), "other: waiting for a worker"])
      yield* show([{ ...running, status: "done" }, other])
      assert.deepStrictEqual(screenOf(written), ["harbour: published", "other: waiting for a worker"])
    })
  )

  it.effect("tells a log each change at once, and progress every five seconds", () =>
    Effect.gen(function* () {
      const { output, written } = recorder(false)
      const show = makeDisplay(output)
      yield* show([{ ...running, status: "queued" }])
      yield* show([{ ...running, status: "queued" }])
      yield* show([running])
      yield* TestClock.adjust("4 seconds")
      yield* show([{ ...running, percent: 50 }])
      yield* TestClock.adjust("1 second")
      yield* show([{ ...running, percent: 60 }])
      yield* show([{ ...running, percent: 61 }])
      yield* show([{ ...running, step: "finalize", percent: 98 }])
      yield* show([{ ...running, status: "done" }])
      yield* TestClock.adjust("1 hour")
      yield* show([{ ...running, status: "done" }])
      assert.deepStrictEqual(
        written.map((line) => line.replace(/ \(.*\)/, "")),
        [
          "harbour: waiting for a worker\n",
          "harbour: transcoding 42 %\n",
          "harbour: transcoding 60 %\n",
          "harbour: checking and publishing 98 %\n",
          "harbour: published\n"
        ]
      )
      assert.notInclude(written.join(""), "\u001B", "a log is no terminal")
    })
  )
})

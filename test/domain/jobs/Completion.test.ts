import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { assemble, confirmManifest, OutputIncomplete } from "../../../src/domain/jobs/Completion.ts"
import * as FrameRate from "../../../src/domain/media/FrameRate.ts"
import { Presentation } from "../../../src/domain/media/Presentation.ts"
import type { MediaSegment, RegisteredFile, VideoInit } from "../../../src/domain/media/Segment.ts"
import { int } from "../support/arbitraries.ts"
import { sha256 } from "../support/ids.ts"
import { filesOf, keyOf, type Output, outputs, secondsOf } from "../support/outputs.ts"

/** Two tasks of two segments, and the sound's: 16 s at 25 frames a second. */
const output: Output = { frameRate: FrameRate.make(25), tasks: [2, 2], lastFrames: 100 }
const files = filesOf(output).flat()
const expected = { duration: 16, languages: { "audio-0": "en" } }

type Files = ReadonlyArray<RegisteredFile>

const without = (key: string, from: Files = files): Files => from.filter((file) => keyOf(file) !== key)

const changed = (key: string, change: (file: RegisteredFile) => RegisteredFile): Files => {
  assert.isTrue(files.some((file) => keyOf(file) === key))
  return files.map((file) => (keyOf(file) === key ? change(file) : file))
}

const segment =
  (change: Partial<MediaSegment>) =>
  (file: RegisteredFile): RegisteredFile => ({
    ...file,
    facts: { ...(file.facts as MediaSegment), ...change }
  })

const problemsOf = (result: Result.Result<unknown, OutputIncomplete>): ReadonlyArray<string> =>
  Result.isFailure(result) ? result.failure.problems : []

const problems = (changedFiles: Files, duration = expected.duration) =>
  problemsOf(assemble(changedFiles, { ...expected, duration }))

describe("a whole output", () => {
  const presentation = Result.getOrThrow(assemble(files, expected))

  it("becomes a presentation, largest picture first", () => {
    assert.deepStrictEqual(
      presentation.video.map(({ codecs, frameRate, height, name, width }) => [
        String(name),
        width,
        height,
        codecs,
        frameRate
      ]),
      [
        ["720p", 1280, 720, "avc1.64001f", { numerator: 25, denominator: 1 }],
        ["360p", 640, 360, "avc1.64001e", { numerator: 25, denominator: 1 }]
      ]
    )
    assert.deepStrictEqual(
      presentation.audio.map(({ channels, language, name, sampleRate }) => [
        String(name),
        sampleRate,
        channels,
        language
      ]),
      [["audio-0", 48_000, 2, "en"]]
    )
  })

  it("has the segments of all tasks on one line of time", () => {
    const [video] = presentation.video
    assert.deepStrictEqual(
      video.segments.map(({ decodeTime, name }) => [name, decodeTime / video.timescale]),
      [
        ["seg_00000.m4s", 0],
        ["seg_00001.m4s", 4],
        ["seg_00002.m4s", 8],
        ["seg_00003.m4s", 12]
      ]
    )
  })

  it("is one also without sound, or in an unknown language", () => {
    const silent = files.filter((file) => file.rendition !== "audio-0")
    assert.isEmpty(Result.getOrThrow(assemble(silent, expected)).audio)
    assert.strictEqual(Result.getOrThrow(assemble(files, { ...expected, languages: {} })).audio[0]?.language, "und")
  })

  it("may differ from the source by the half second that sound is padded by", () => {
    assert.isEmpty(problems(files, 15.6))
    assert.isEmpty(problems(files, 16.4))
  })

  it("says an odd frame rate exactly and a usual one by its name", () => {
    const rateAt = (frameRate: FrameRate.FrameRate) => {
      const odd = { ...output, frameRate }
      const made = assemble(filesOf(odd).flat(), { ...expected, duration: secondsOf(odd) })
      return FrameRate.format(Result.getOrThrow(made).video[0].frameRate)
    }
    assert.strictEqual(rateAt(FrameRate.make(30000, 1001)), "30000/1001")
    assert.strictEqual(rateAt(FrameRate.make(37, 2)), "37/2")
  })

  it.prop(
    "is accepted whatever the tasks were, in whatever order the files came",
    [outputs, int(0, 1000)],
    ([each, seed]) => {
      const all = filesOf(each).flat()
      const place = new Map(all.map((file, position) => [file, ((position + 1) * (seed + 1) * 7919) % 1009]))
      const shuffled = all.toSorted((a, b) => place.get(a)! - place.get(b)!)
      const made = assemble(shuffled, { ...expected, duration: secondsOf(each) })
      assert.deepStrictEqual(problemsOf(made), [])
      const whole = Result.getOrThrow(made)
      assert.isTrue(Schema.is(Presentation)(whole))
      assert.deepStrictEqual(whole, Result.getOrThrow(assemble(all, { ...expected, duration: secondsOf(each) })))
      assert.deepStrictEqual(whole.video[0].frameRate, each.frameRate)
      assert.lengthOf(
        whole.video[0].segments,
        each.tasks.reduce((sum, count) => sum + count, 0)
      )
    }
  )
})

describe("a damaged output", () => {
  it("lacks its init segment", () => {
    assert.deepStrictEqual(problems(without("360p/init.mp4")), ["360p has no init.mp4"])
    assert.deepStrictEqual(problems(without("audio-0/init.mp4")), ["audio-0 has no init.mp4"])
  })

  it("lacks its segments", () => {
    const bare = files.filter((file) => file.rendition !== "360p" || file.name === "init.mp4")
    assert.deepStrictEqual(problems(bare), ["360p has no segments"])
  })

  it("has a gap", () => {
    const found = problems(without("720p/seg_00001.m4s"))
    assert.include(found, "720p lacks segment 1")
    assert.include(found.join(), "720p/seg_00002.m4s starts at 102400, not where the one before it ends, 51200")
  })

  it("lacks its beginning", () => {
    assert.include(problems(without("720p/seg_00000.m4s")), "720p lacks segment 0")
  })

  it("lacks its end", () => {
    assert.deepStrictEqual(problems(without("720p/seg_00003.m4s")), [
      "360p has 4 segments, but 720p has 3",
      "720p lasts 12.00 s, but the source lasts 16.00 s"
    ])
    assert.deepStrictEqual(problems(without("audio-0/seg_00003.m4s")), [
      "audio-0 lasts 12.01 s, but the source lasts 16.00 s"
    ])
  })

  it("has a segment twice", () => {
    const twice = files.find((file) => keyOf(file) === "720p/seg_00001.m4s")!
    assert.include(problems([...files, twice]), "720p lacks segment 2")
  })

  it("starts a segment at another time than it should", () => {
    assert.include(
      problems(changed("720p/seg_00001.m4s", segment({ decodeTime: 51_201 }))),
      "720p/seg_00001.m4s starts at 51201, not where the one before it ends, 51200"
    )
    assert.include(
      problems(changed("720p/seg_00000.m4s", segment({ decodeTime: 512 }))),
      "720p/seg_00000.m4s starts at 512, not where the one before it ends, 0"
    )
  })

  it("has a picture segment that no player can start at", () => {
    const change = segment({ startsWithKeyframe: false })
    assert.deepStrictEqual(problems(changed("360p/seg_00002.m4s", change)), [
      "360p/seg_00002.m4s does not start with a keyframe"
    ])
    assert.isEmpty(problems(changed("audio-0/seg_00002.m4s", change)))
  })

  it("has an empty segment", () => {
    const empty = ["360p/seg_00002.m4s is empty"]
    assert.deepStrictEqual(problems(changed("360p/seg_00002.m4s", segment({ samples: 0 }))), empty)
    assert.deepStrictEqual(problems(changed("360p/seg_00002.m4s", (file) => ({ ...file, bytes: 0 }))), empty)
    assert.include(problems(changed("360p/seg_00003.m4s", segment({ duration: 0 }))), "360p/seg_00003.m4s is empty")
  })

  it("was encoded in two ways", () => {
    const [first] = files.filter((file) => keyOf(file) === "720p/init.mp4")
    const other = { ...first!, sha256: sha256(7) }
    assert.deepStrictEqual(problems([...files, other]), [
      "720p was encoded in two ways: its parts have different init.mp4"
    ])
  })

  it("is cut at other times in one size than in another", () => {
    const moved = files.map((file) => {
      if (keyOf(file) === "360p/seg_00000.m4s") return segment({ duration: 51_200 + 5 * 512 })(file)
      if (keyOf(file) === "360p/seg_00001.m4s")
        return segment({ decodeTime: 51_200 + 5 * 512, duration: 51_200 - 5 * 512 })(file)
      return file
    })
    assert.deepStrictEqual(problems(moved), ["seg_00001.m4s of 360p starts at another time than that of 720p"])
  })

  it("may be cut a fraction of a frame apart, as time scales round", () => {
    const finer = files.map((file) => {
      if (file.rendition !== "360p") return file
      if (file.facts._tag === "VideoInit")
        return { ...file, facts: { ...(file.facts as VideoInit), timescale: 12_799 } }
      return file
    })
    assert.isEmpty(problems(finer))
  })

  it("is shorter or longer than its source", () => {
    assert.deepStrictEqual(problems(files, 20), [
      "720p lasts 16.00 s, but the source lasts 20.00 s",
      "360p lasts 16.00 s, but the source lasts 20.00 s",
      "audio-0 lasts 16.00 s, but the source lasts 20.00 s"
    ])
    assert.lengthOf(problems(files, 15), 3)
  })

  it("has no pictures", () => {
    assert.deepStrictEqual(problems([]), ["there is no video"])
    assert.deepStrictEqual(problems(files.filter((file) => file.rendition === "audio-0")), ["there is no video"])
  })

  it("has all its faults named at once", () => {
    const found = problems(without("360p/init.mp4", without("audio-0/init.mp4")))
    assert.deepStrictEqual(found, ["360p has no init.mp4", "audio-0 has no init.mp4"])
  })

  it.prop("is found out by any one file that is gone", [outputs, int(0, 10_000)], ([each, pick]) => {
    const all = filesOf(each).flat()
    // Pictures play without a poster, and of equal init segments one is enough: their tasks' lists tell of those.
    const needed = [...new Set(all.map(keyOf))].filter((key) => !key.startsWith("poster/"))
    const gone = needed[pick % needed.length]!
    const found = problemsOf(assemble(without(gone, all), { ...expected, duration: secondsOf(each) }))
    assert.isNotEmpty(found)
    assert.include(found.join("; "), gone.split("/")[0]!)
  })

  it.prop(
    "is found out by any one segment that says something else",
    [outputs, int(0, 10_000), int(0, 3)],
    ([each, pick, kind]) => {
      const all = filesOf(each).flat()
      const segments = all.filter((file) => file.facts._tag === "MediaSegment" && file.rendition !== "audio-0")
      const chosen = segments[pick % segments.length]!
      const { decodeTime, duration } = chosen.facts as MediaSegment
      const damage: ReadonlyArray<Partial<MediaSegment>> = [
        { startsWithKeyframe: false },
        { samples: 0 },
        { decodeTime: decodeTime + 1 },
        { duration: duration * 2 }
      ]
      const spoilt = all.map((file) => (file === chosen ? segment(damage[kind]!)(file) : file))
      assert.isNotEmpty(problemsOf(assemble(spoilt, { ...expected, duration: secondsOf(each) })))
    }
  )
})

describe("a worker's list of its files", () => {
  it("is confirmed when the server holds each of them, and picks those alone", () => {
    const confirmed = Result.getOrThrow(
      confirmManifest(files, [...files, ...filesOf({ ...output, tasks: [9] }).flat()])
    )
    assert.deepStrictEqual(confirmed.map(keyOf), files.map(keyOf))
    const some = files.slice(3, 6)
    assert.deepStrictEqual(Result.getOrThrow(confirmManifest(some, files)), some)
  })

  it("trusts what the server saw in a file, not what the worker says", () => {
    const first = files[0]!
    const claim = { rendition: first.rendition, name: first.name, bytes: 5, sha256: first.sha256 }
    assert.deepStrictEqual(Result.getOrThrow(confirmManifest([claim], files)), [first])
  })

  it("names what was never uploaded", () => {
    assert.deepStrictEqual(problemsOf(confirmManifest(files, without("audio-0/seg_00002.m4s"))), [
      "audio-0/seg_00002.m4s was never uploaded"
    ])
  })

  it("names what was uploaded with other bytes", () => {
    const other = changed("720p/seg_00001.m4s", (file) => ({ ...file, sha256: sha256(3) }))
    assert.deepStrictEqual(problemsOf(confirmManifest(files, other)), [
      "720p/seg_00001.m4s is another file than the one that was uploaded"
    ])
  })

  it.prop(
    "is refused when any one file of any task is gone, the poster too",
    [outputs, int(0, 10_000)],
    ([each, pick]) => {
      const tasks = filesOf(each)
      const task = tasks[pick % tasks.length]!
      const gone = keyOf(task[pick % task.length]!)
      assert.deepStrictEqual(problemsOf(confirmManifest(task, without(gone, task))), [`${gone} was never uploaded`])
    }
  )
})

describe("the text of an incomplete output", () => {
  it("names ten problems and counts the rest", () => {
    const all = Array.from({ length: 12 }, (_, position) => `p${position}`) as [string, ...Array<string>]
    assert.strictEqual(
      new OutputIncomplete({ problems: all }).message,
      "The output is not complete: p0; p1; p2; p3; p4; p5; p6; p7; p8; p9; and 2 more"
    )
    assert.strictEqual(new OutputIncomplete({ problems: ["p0"] }).message, "The output is not complete: p0")
  })
})

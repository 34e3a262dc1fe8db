import { assert, describe, it } from "@effect/vitest"
import { displaySize, objection } from "../../../src/domain/media/Source.ts"
import { source, videoStream } from "../support/sources.ts"

const shown = (video: Parameters<typeof videoStream>[0]) => {
  const { height, width } = displaySize(videoStream(video))
  return `${width}x${height}`
}

describe("the displayed size", () => {
  it("is the stored one of an ordinary video", () => {
    assert.strictEqual(shown({ width: 1920, height: 1080 }), "1920x1080")
  })

  it("is turned with the picture", () => {
    assert.strictEqual(shown({ width: 1920, height: 1080, rotation: 90 }), "1080x1920")
    assert.strictEqual(shown({ width: 1920, height: 1080, rotation: 270 }), "1080x1920")
    assert.strictEqual(shown({ width: 1920, height: 1080, rotation: 180 }), "1920x1080")
  })

  it("has square pixels", () => {
    assert.strictEqual(shown({ width: 1440, height: 1080, pixelAspect: 4 / 3 }), "1920x1080")
    assert.strictEqual(shown({ width: 720, height: 576, pixelAspect: 16 / 15 }), "768x576")
  })

  it("stretches the stored width before it turns", () => {
    assert.strictEqual(shown({ width: 1440, height: 1080, pixelAspect: 4 / 3, rotation: 90 }), "1080x1920")
  })
})

const problem = (video: Parameters<typeof source>[0]) => objection(source(video))?.problem ?? null

describe("a source", () => {
  it("that plays is taken", () => {
    assert.isNull(objection(source()))
  })

  it("without pictures is refused", () => {
    assert.strictEqual(problem({ frames: 0 }), "The file has no pictures in it")
    assert.strictEqual(problem({ duration: 0 }), "The file has no pictures in it")
  })

  it("that ends before its header says so was cut short", () => {
    assert.strictEqual(
      problem({ duration: 40, promised: 60 }),
      "The file was cut short: it says that it lasts 60.0 s, but its pictures end at 40.0 s"
    )
  })

  it("may end a second, or two in a hundred, before its header says", () => {
    assert.isNull(problem({ duration: 9.1, promised: 10 }))
    assert.isNotNull(problem({ duration: 8.9, promised: 10 }))
    assert.isNull(problem({ duration: 1961, promised: 2000 }))
    assert.isNotNull(problem({ duration: 1959, promised: 2000 }))
  })

  it("whose pictures start late ends as much later", () => {
    assert.isNull(problem({ start: 5, duration: 5, promised: 10 }))
    assert.isNotNull(problem({ start: 0, duration: 5, promised: 10 }))
  })

  it("of more than a day is refused", () => {
    assert.isNull(problem({ duration: 86_400, promised: 86_400 }))
    assert.strictEqual(
      problem({ duration: 90_000, promised: 90_000 }),
      "The video lasts 25.0 hours, and more than 24 are not taken"
    )
  })

  it("too small or too large to show is refused", () => {
    assert.strictEqual(
      problem({ width: 8, height: 720 }),
      "The picture is 8x720, and only 16 to 8192 pixels a side are taken"
    )
    assert.isNotNull(problem({ width: 1280, height: 15 }))
    assert.isNotNull(problem({ width: 8194, height: 720 }))
    assert.isNotNull(problem({ width: 720, height: 8194 }))
    assert.isNull(problem({ width: 8192, height: 16 }))
  })

  it("is judged by its displayed size", () => {
    assert.isNotNull(problem({ width: 5000, height: 720, pixelAspect: 2 }))
  })

  it("is refused in a sentence that says what to do", () => {
    assert.strictEqual(
      objection(source({ frames: 0 }))?.message,
      "The file has no pictures in it. Upload a video that plays"
    )
  })
})

import { assert, describe, it } from "@effect/vitest"
import { assumed, type Colours } from "../../../src/domain/media/Colours.ts"

const nothing: Colours = { matrix: null, primaries: null, transfer: null }
const of = (width: number, height: number, colours: Partial<Colours> = {}, kind: "yuv" | "rgb" | "hdr" = "yuv") =>
  assumed({ width, height, colours: { ...nothing, ...colours }, rgb: kind === "rgb", hdr: kind === "hdr" })

describe("colours that nobody names", () => {
  it("are those of HD in a picture of its size, and of television before it in a smaller one", () => {
    const hd = { matrix: "bt709", primaries: "bt709", transfer: "bt709" }
    assert.deepStrictEqual(of(1920, 1080), hd)
    assert.deepStrictEqual(of(1280, 536), hd)
    assert.deepStrictEqual(of(720, 1280), hd)
    assert.deepStrictEqual(of(720, 480), { matrix: "smpte170m", primaries: "smpte170m", transfer: "bt709" })
    assert.deepStrictEqual(of(640, 360), { matrix: "smpte170m", primaries: "smpte170m", transfer: "bt709" })
    assert.deepStrictEqual(of(720, 576), { matrix: "smpte170m", primaries: "bt470bg", transfer: "bt709" })
  })

  it("follow from those that are", () => {
    assert.deepStrictEqual(of(1920, 1080, { matrix: "bt709", primaries: "bt709", transfer: "bt709" }), {})
    assert.deepStrictEqual(of(640, 360, { matrix: "bt709" }), { primaries: "bt709", transfer: "bt709" })
    assert.deepStrictEqual(of(1920, 1080, { primaries: "bt2020", transfer: "bt709" }), { matrix: "bt2020nc" })
    assert.deepStrictEqual(of(640, 360, { matrix: "bt2020nc", transfer: "bt709" }), { primaries: "bt2020" })
    // A camera's JPEG pictures.
    assert.deepStrictEqual(of(1920, 1080, { matrix: "bt470bg", transfer: "bt709" }), { primaries: "bt709" })
  })

  it("are BT.2020 where the curve is one of HDR, whatever the size", () => {
    assert.deepStrictEqual(of(320, 180, { transfer: "smpte2084" }, "hdr"), { matrix: "bt2020nc", primaries: "bt2020" })
    assert.deepStrictEqual(of(1920, 1080, { transfer: "arib-std-b67", matrix: "bt2020c" }, "hdr"), {
      matrix: "bt2020nc",
      primaries: "bt2020"
    })
    assert.deepStrictEqual(of(320, 180, { transfer: "smpte2084", matrix: "gbr" }, "hdr"), { primaries: "bt2020" })
    assert.deepStrictEqual(
      of(320, 180, { transfer: "smpte2084", matrix: "bt2020nc", primaries: "smpte432" }, "hdr"),
      {}
    )
  })

  it("need none of red, green and blue, which become something else", () => {
    assert.deepStrictEqual(of(1920, 1080, {}, "rgb"), {})
    assert.deepStrictEqual(
      assumed({ width: 64, height: 64, colours: { ...nothing, transfer: "smpte2084" }, rgb: true, hdr: true }),
      { primaries: "bt2020" }
    )
  })
})

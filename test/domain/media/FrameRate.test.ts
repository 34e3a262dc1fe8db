import { assert, describe, it } from "@effect/vitest"
import * as FrameRate from "../../../src/domain/media/FrameRate.ts"
import { int, standardRate } from "../support/arbitraries.ts"

const ntsc = FrameRate.make(30000, 1001)

const grid = (rate: FrameRate.FrameRate, constant: boolean) =>
  FrameRate.format(FrameRate.grid({ nominal: rate, usual: rate, constant }))

describe("a frame rate", () => {
  it("is kept in lowest terms", () => {
    assert.deepStrictEqual(FrameRate.make(50, 2), { numerator: 25, denominator: 1 })
    assert.deepStrictEqual(FrameRate.make(60000, 2002), { numerator: 30000, denominator: 1001 })
  })

  it("is written as ffmpeg and DASH want it", () => {
    assert.strictEqual(FrameRate.format(FrameRate.make(25)), "25")
    assert.strictEqual(FrameRate.format(ntsc), "30000/1001")
  })

  it("says how long frames last and how many fit", () => {
    assert.strictEqual(FrameRate.seconds(ntsc, 30000), 1001)
    assert.strictEqual(FrameRate.framesIn(ntsc, 2), 60)
    assert.strictEqual(FrameRate.framesIn(FrameRate.make(25), 0.03), 1)
  })

  it.prop(
    "counts back the frames of any time that frames make",
    [standardRate, int(0, 24 * 3600 * 60)],
    ([rate, frames]) => {
      assert.strictEqual(FrameRate.framesIn(rate, FrameRate.seconds(rate, frames)), frames)
    }
  )
})

describe("the grid of output frames", () => {
  it("keeps a constant rate as it is, also an odd one", () => {
    assert.strictEqual(grid(ntsc, true), "30000/1001")
    assert.strictEqual(grid(FrameRate.make(25), true), "25")
    assert.strictEqual(grid(FrameRate.make(15), true), "15")
    assert.strictEqual(grid(FrameRate.make(37, 2), true), "37/2")
    assert.strictEqual(grid(FrameRate.make(60000, 1001), true), "60000/1001")
    assert.strictEqual(grid(FrameRate.make(60), true), "60")
  })

  it("ignores how usual a constant source's rate is", () => {
    const rate = FrameRate.grid({ nominal: FrameRate.make(25), usual: FrameRate.make(2493, 100), constant: true })
    assert.strictEqual(FrameRate.format(rate), "25")
  })

  it("halves a constant rate above 60 until it is not", () => {
    assert.strictEqual(grid(FrameRate.make(120), true), "60")
    assert.strictEqual(grid(FrameRate.make(120000, 1001), true), "60000/1001")
    assert.strictEqual(grid(FrameRate.make(240), true), "60")
    assert.strictEqual(grid(FrameRate.make(100), true), "50")
    assert.strictEqual(grid(FrameRate.make(90), true), "45")
  })

  it("takes a rate that is 60 but for the time base's rounding as 60", () => {
    assert.strictEqual(grid(FrameRate.make(60002, 1000), true), "30001/500")
  })

  it("moves a variable rate up to the next standard one", () => {
    assert.strictEqual(grid(FrameRate.make(2410, 100), false), "25")
    assert.strictEqual(grid(FrameRate.make(26), false), "30000/1001")
    assert.strictEqual(grid(FrameRate.make(31), false), "48")
    assert.strictEqual(grid(FrameRate.make(7), false), "24000/1001")
  })

  it("does not move a variable rate up for what is only imprecision", () => {
    assert.strictEqual(grid(FrameRate.make(2998, 100), false), "30000/1001")
    assert.strictEqual(grid(FrameRate.make(25005, 1000), false), "25")
    assert.strictEqual(grid(FrameRate.make(30), false), "30")
    assert.strictEqual(grid(FrameRate.make(29999, 1000), false), "30")
    assert.strictEqual(grid(FrameRate.make(24), false), "24")
  })

  it("never gives a variable rate more than 60", () => {
    assert.strictEqual(grid(FrameRate.make(144), false), "60")
  })

  it.prop(
    "is at most 60 and never below half of a fast constant rate",
    [int(1, 1000), int(1, 4)],
    ([numerator, denominator]) => {
      const nominal = FrameRate.make(numerator, denominator)
      const rate = FrameRate.toNumber(FrameRate.grid({ nominal, usual: nominal, constant: true }))
      assert.isAtMost(rate, 60.06)
      assert.isAtLeast(rate, Math.min(30, FrameRate.toNumber(nominal)))
      const quotient = FrameRate.toNumber(nominal) / rate
      assert.strictEqual(Math.log2(quotient) % 1, 0)
    }
  )

  it.prop("of a variable rate is a standard one that loses no picture", [int(1000, 60000)], ([thousandths]) => {
    const usual = FrameRate.make(thousandths, 1000)
    const rate = FrameRate.grid({ nominal: usual, usual, constant: false })
    assert.include(FrameRate.standard, rate)
    assert.isAtLeast(FrameRate.toNumber(rate), FrameRate.toNumber(usual) * 0.999)
    const lower = FrameRate.standard.filter((other) => FrameRate.toNumber(other) < FrameRate.toNumber(rate))
    for (const other of lower) assert.isBelow(FrameRate.toNumber(other), FrameRate.toNumber(usual))
  })
})

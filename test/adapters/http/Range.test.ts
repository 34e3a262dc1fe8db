import { assert, describe, it } from "vitest"
import { parseRange } from "../../../src/adapters/http/Range.ts"

const whole = { _tag: "Whole" }
const unsatisfiable = { _tag: "Unsatisfiable" }
const part = (start: number, end: number) => ({ _tag: "Part", start, end })

describe("a byte range of a file of 1000 bytes", () => {
  it.each([
    [undefined, whole],
    ["bytes=0-0", part(0, 0)],
    ["bytes=0-499", part(0, 499)],
    ["bytes=500-", part(500, 999)],
    ["bytes=-1", part(999, 999)],
    ["bytes=-1000", part(0, 999)],
    ["bytes=-5000", part(0, 999)],
    ["bytes=900-5000", part(900, 999)],
    ["bytes=999-999", part(999, 999)],
    ["bytes=1000-", unsatisfiable],
    ["bytes=5000-6000", unsatisfiable],
    ["bytes=-0", unsatisfiable],
    // A server may ignore what it does not understand (RFC 9110 section 14.2), and gives everything.
    ["bytes=500-499", whole],
    ["bytes=0-1,5-6", whole],
    ["bytes=-", whole],
    ["bytes=a-b", whole],
    ["bytes=1.5-3", whole],
    ["bytes=--5", whole],
    ["items=0-5", whole],
    ["bytes=0-5 ", whole],
    ["", whole]
  ])("%s", (header, expected) => {
    assert.deepStrictEqual(parseRange(header, 1000), expected)
  })

  it("of an empty file is none", () => {
    assert.deepStrictEqual(parseRange("bytes=0-", 0), unsatisfiable)
    assert.deepStrictEqual(parseRange("bytes=-5", 0), unsatisfiable)
    assert.deepStrictEqual(parseRange(undefined, 0), whole)
  })
})

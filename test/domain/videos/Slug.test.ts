import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { fromTitle, Slug, variant } from "../../../src/domain/videos/Slug.ts"
import { hostileText, int } from "../support/arbitraries.ts"

const isSlug = Schema.is(Slug)

describe("a slug", () => {
  it("keeps letters and digits and joins words by hyphens", () => {
    assert.strictEqual(fromTitle("Holiday 2026: Day 3"), "holiday-2026-day-3")
    assert.strictEqual(fromTitle("  --Cats & Dogs!--  "), "cats-dogs")
  })

  it("drops accents, not the letters below them", () => {
    assert.strictEqual(fromTitle("Café Ångström, ﬁne"), "cafe-angstrom-fine")
  })

  it("is `video` where nothing of the title survives", () => {
    assert.strictEqual(fromTitle("日本"), "video")
    assert.strictEqual(fromTitle(""), "video")
  })

  it("is cut at 72 characters, and not at a hyphen", () => {
    assert.strictEqual(fromTitle("a".repeat(100)), "a".repeat(72))
    assert.strictEqual(fromTitle(`${"a".repeat(71)} b`), "a".repeat(71))
  })

  it.prop("comes out of any title, however odd", [hostileText], ([title]) => {
    assert.isTrue(isSlug(fromTitle(title)))
  })

  it.prop(
    "comes out of any long title",
    [Schema.Array(Schema.Literals(["a", "-", "é", " ", "9", "ß", "x".repeat(40)]))],
    ([parts]) => {
      const slug = fromTitle(parts.join(""))
      assert.isTrue(isSlug(slug))
      assert.isAtMost(slug.length, 72)
    }
  )

  it.prop(
    "stays as it is when it is a title",
    [Schema.String.check(Schema.isPattern(/^[a-z0-9]+(-[a-z0-9]+)*$/), Schema.isMaxLength(72))],
    ([title]) => {
      assert.strictEqual(fromTitle(title), title)
    }
  )
})

describe("the variants of a slug", () => {
  it("are the slug itself, then numbered", () => {
    const cat = fromTitle("cat")
    assert.deepStrictEqual(
      [1, 2, 3].map((n) => variant(cat, n)),
      ["cat", "cat-2", "cat-3"].map((slug) => Slug.make(slug))
    )
  })

  it.prop(
    "are slugs, and no two are the same",
    [hostileText, int(1, 999_999), int(1, 999_999)],
    ([title, one, other]) => {
      const slug = fromTitle(`${title}${"a".repeat(80)}`)
      assert.isTrue(isSlug(variant(slug, one)))
      assert.strictEqual(variant(slug, one) === variant(slug, other), one === other)
    }
  )
})

import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { LanguageTag, languageOf } from "../../../src/domain/media/Language.ts"

const isTag = Schema.is(LanguageTag)

describe("the language of a sound track", () => {
  it.each([
    ["ger", "de"],
    ["fre", "fr"],
    ["eng", "en"],
    ["pt-br", "pt-BR"],
    ["qaa", "qaa"],
    ["und", "und"]
  ])("is a BCP 47 tag: %s is %s", (said, tag) => {
    assert.strictEqual(languageOf(said), tag)
    assert.isTrue(isTag(tag))
  })

  it.each([
    undefined,
    "",
    "German (Germany)",
    "en_US",
    'en",URI="evil',
    "en\r\n#EXT-X-ENDLIST",
    "<a>",
    `en-${"x".repeat(99)}`
  ])("is unknown where the file says %j", (said) => assert.strictEqual(languageOf(said), "und"))

  it.each(["German language", 'en",URI="evil', "en\r\nde", ""])("is refused as %j", (said) => {
    assert.isFalse(isTag(said))
  })
})

/** What the domain's property tests draw from. */
import { Arbitrary, Schema } from "effect"
import * as FrameRate from "../../../src/domain/media/FrameRate.ts"

export const int = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

export const oneOf = <A>(values: ReadonlyArray<A>): Arbitrary.Arbitrary<A> =>
  Arbitrary.map(Arbitrary.schema(int(0, values.length - 1)), (index) => values[index]!)

export const standardRate = oneOf(FrameRate.standard)

/** Text that somebody put into a file's tags to see what happens. */
export const hostileText: Arbitrary.Arbitrary<string> = Arbitrary.map(
  Arbitrary.array(
    Arbitrary.schema(
      Schema.Union([
        Schema.String,
        Schema.Literals([
          '"',
          "'",
          "<",
          ">",
          "&",
          "&amp;",
          "]]>",
          "<!--",
          ",",
          "=",
          "\r",
          "\n",
          "\n#EXT-X-ENDLIST\n",
          '"/><S t="0" d="1"/>',
          "\u0000",
          "\u0008",
          "\u001b",
          "\u0085",
          "\u2028",
          "\ud800",
          "\uffff",
          "é",
          "日本",
          "🎬",
          "$Number$"
        ])
      ])
    ),
    { maxLength: 6 }
  ),
  (parts) => parts.join("")
)

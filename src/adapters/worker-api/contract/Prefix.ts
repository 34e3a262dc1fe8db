/** How a worker says of how much of a source a file was made: `1048576;sha256=` and 64 hexadecimal digits. */
import { Schema, SchemaTransformation } from "effect"
import { SourcePrefix } from "../../../domain/media/Segment.ts"

export const prefixHeader = "x-source-prefix"

export const PrefixText = Schema.String.pipe(
  Schema.check(Schema.isPattern(/^[1-9]\d{0,14};sha256=[0-9a-f]{64}$/)),
  Schema.decodeTo(
    SourcePrefix,
    SchemaTransformation.transform({
      decode: (text) => {
        const [bytes, sha256] = text.split(";sha256=") as [string, string]
        return { bytes: Number(bytes), sha256 }
      },
      encode: ({ bytes, sha256 }) => `${bytes};sha256=${sha256}`
    })
  )
)

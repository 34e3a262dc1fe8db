/**
 * What the numbers of a picture mean as colours, in ffmpeg's words. Where a file does not say it each player guesses, and
 * guesses again for each rendition by its size, so that it is decided once, before the pictures are scaled.
 */
import { Schema } from "effect"

/** Null where nobody says. */
export const Colours = Schema.Struct({
  matrix: Schema.NullOr(Schema.String),
  primaries: Schema.NullOr(Schema.String),
  transfer: Schema.NullOr(Schema.String)
})
export interface Colours extends Schema.Schema.Type<typeof Colours> {}

/** Only what has to be said in place of the file. */
export const Assumed = Schema.Struct({
  matrix: Schema.optionalKey(Schema.String),
  primaries: Schema.optionalKey(Schema.String),
  transfer: Schema.optionalKey(Schema.String)
})
export interface Assumed extends Schema.Schema.Type<typeof Assumed> {}

interface Picture {
  readonly colours: Colours
  readonly width: number
  readonly height: number
  readonly rgb: boolean
  readonly hdr: boolean
}

/** Constant luminance is not for these curves: whoever writes so means the other, as everybody makes it. */
const hdr = ({ matrix, primaries }: Colours, rgb: boolean): Assumed => ({
  ...(!rgb && (matrix === null || matrix === "bt2020c") ? { matrix: "bt2020nc" } : {}),
  ...(primaries === null ? { primaries: "bt2020" } : {})
})

/** mpv's rule: what is no larger than television was before HD has its colours, by the lines of America or of Europe. */
const standard = ({ colours, height, width }: Picture): Assumed => {
  const small = width < 1280 && height <= 576
  const wide = "bt2020"
  const guessed = colours.primaries === wide ? "bt2020nc" : small ? "smpte170m" : "bt709"
  const matrix = colours.matrix ?? guessed
  const television = height === 576 ? "bt470bg" : "smpte170m"
  const primaries = matrix.startsWith(wide) ? wide : small && matrix !== "bt709" ? television : "bt709"
  return {
    ...(colours.matrix === null ? { matrix } : {}),
    ...(colours.primaries === null ? { primaries } : {}),
    ...(colours.transfer === null ? { transfer: "bt709" } : {})
  }
}

/** Red, green and blue are made into other pictures, whose colours are known. */
export const assumed = (picture: Picture): Assumed =>
  picture.hdr ? hdr(picture.colours, picture.rgb) : picture.rgb ? {} : standard(picture)

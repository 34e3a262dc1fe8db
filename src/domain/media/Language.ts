/** Languages of sound tracks, as BCP 47 tags. They end in playlists and manifests, and come out of strangers' files. */
import { Schema } from "effect"

/** RFC 5646 section 4.4.1: long enough for any tag that is in use. */
const longest = 35

const canonical = (text: string): string | null => {
  try {
    return text.length > longest ? null : (Intl.getCanonicalLocales(text)[0] ?? null)
  } catch {
    return null
  }
}

/** Well-formed; `und` is one that nobody knows. */
export const LanguageTag = Schema.String.pipe(
  Schema.check(
    Schema.makeFilter((text) => canonical(text) !== null || "Expected a language tag (BCP 47) such as en or pt-BR")
  )
)

/** What a file says of a language: files have ISO 639-2 (`ger`), which becomes `de`. What is no language becomes `und`. */
export const languageOf = (said: string | undefined): string => (said === undefined ? null : canonical(said)) ?? "und"

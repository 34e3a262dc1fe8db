/** `Upload-Metadata` of tus: keys with values in Base64, with commas between. */
import { Effect, Schema } from "effect"
import { BadRequest } from "../contract/Errors.ts"
import { UploadMetadata } from "../contract/Resumable.ts"
import { wishesOf } from "../contract/Wishes.ts"

const mostBytes = 8192
const pair = /^([\x21-\x2b\x2d-\x7e]+)(?: ([A-Za-z0-9+/]*={0,2}))?$/

const decode = Schema.decodeUnknownEffect(UploadMetadata)

const wrong = (why: string) => new BadRequest({ detail: `Upload-Metadata ${why}` })

/** What is said of a video with the upload that brings it. */
export const readMetadata = Effect.fnUntraced(function* (text: string) {
  if (text.length > mostBytes) return yield* wrong(`is longer than ${mostBytes} bytes`)
  const values: Record<string, string> = {}
  for (const part of text.split(",").map((one) => one.trim())) {
    const [, key, value = ""] = pair.exec(part) ?? []
    if (key === undefined || key in values) {
      return yield* wrong("has to be keys, each once and with a value in Base64, and commas between")
    }
    values[key] = Buffer.from(value, "base64").toString()
  }
  const said = yield* Effect.mapError(decode(values), (error) => wrong(`is not right: ${error.message}`))
  return {
    about: { fileName: said.filename, title: said.title ?? null, wishes: wishesOf(said) },
    fingerprint: said.fingerprint ?? null
  }
})

/** Puts a file into the farm by its HTTP interface, once. */
import { Effect, type Redacted } from "effect"
import { createHash } from "node:crypto"
import { createReadStream } from "node:fs"
import { basename } from "node:path"
import { pipeline } from "node:stream/promises"
import type { makeClient } from "../../adapters/worker-api/client/Client.ts"
import { Sha256 } from "../../domain/ids.ts"
import { decodeSent, sendVideo } from "../upload/sendVideo.ts"
import { startError } from "./StartError.ts"

const digest = (path: string) =>
  Effect.tryPromise({
    try: async () => {
      const hash = createHash("sha256")
      await pipeline(createReadStream(path), hash)
      return Sha256.make(hash.digest("hex"))
    },
    catch: (cause) => startError(`${path} cannot be read: ${String(cause)}`)
  })

const megabytes = (bytes: number) => `${Math.round(bytes / 1e6)} MB`

export interface Farm {
  readonly address: string
  readonly adminSecret: Redacted.Redacted
  readonly client: Effect.Success<ReturnType<typeof makeClient>>
}

const send = Effect.fnUntraced(function* (farm: Farm, path: string, say: (line: string) => Effect.Effect<void>) {
  let told = 0
  const response = yield* sendVideo({
    address: farm.address,
    secret: farm.adminSecret,
    path,
    sent: (bytes, total) => {
      const tenth = Math.floor((bytes / total) * 10)
      if (total < 50e6 || tenth === told) return Effect.void
      told = tenth
      return say(`${basename(path)}: uploaded ${megabytes(bytes)} of ${megabytes(total)}`)
    }
  })
  if (response.status !== 201) return yield* startError(`${basename(path)} was refused: ${yield* response.text}`)
  return yield* decodeSent(yield* response.json)
})

/** The same bytes are never uploaded twice: what was there is gone on with. */
export const upload = Effect.fnUntraced(
  function* (farm: Farm, path: string, say: (line: string) => Effect.Effect<void>) {
    const sha256 = yield* digest(path)
    const known = yield* farm.client.videos.list({ query: { sha256, limit: 1 } })
    const [found] = known.videos
    if (found !== undefined && found.job?.status !== "failed" && found.job?.status !== "cancelled") return found
    return yield* send(farm, path, say)
  },
  Effect.mapError((error) =>
    error._tag === "StartError" ? error : startError(`The upload did not work: ${error.message}`)
  )
)

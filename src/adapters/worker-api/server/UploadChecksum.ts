/** `Upload-Checksum` of tus: the algorithm, and the digest of the piece in Base64. */
import { Effect, Stream } from "effect"
import { createHash } from "node:crypto"
import { BadRequest, ChecksumMismatch } from "../contract/Errors.ts"
import { checksumAlgorithms } from "../contract/Resumable.ts"

interface Checksum {
  readonly algorithm: (typeof checksumAlgorithms)[number]
  readonly base64: string
}

const written = /^(\S+) ([A-Za-z0-9+/]+={0,2})$/

export const readChecksum = (text: string | undefined): Effect.Effect<Checksum | null, BadRequest> => {
  if (text === undefined) return Effect.succeed(null)
  const [, name, base64 = ""] = written.exec(text) ?? []
  const algorithm = checksumAlgorithms.find((known) => known === name)
  return algorithm === undefined
    ? Effect.fail(
        new BadRequest({
          detail: `Upload-Checksum has to be ${checksumAlgorithms.join(" or ")}, a space and the digest in Base64`
        })
      )
    : Effect.succeed({ algorithm, base64 })
}

/** The same bytes, and a failure behind the last one when they are not those that were announced. */
export const checked = <E>(body: Stream.Stream<Uint8Array, E>, { algorithm, base64 }: Checksum) =>
  Stream.suspend(() => {
    const hash = createHash(algorithm)
    const hashed = Stream.mapArray(body, (chunks) => {
      for (const chunk of chunks) hash.update(chunk)
      return chunks
    })
    return Stream.concat(
      hashed,
      Stream.suspend(() =>
        hash.digest("base64") === base64
          ? Stream.empty
          : Stream.fail(
              new ChecksumMismatch({
                detail: `The ${algorithm} of the piece is another: send it again from its beginning`
              })
            )
      )
    )
  })

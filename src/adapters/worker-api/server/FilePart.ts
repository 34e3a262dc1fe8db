/** The part `file` of a multipart form, handed on while it arrives. */
import { ByteSize, Effect, Option, Stream } from "effect"
import { type HttpServerRequest, HttpIncomingMessage, Multipart } from "effect/http"
import { type BodyRefused, requestBody } from "../../http/Body.ts"
import { BadRequest, Unprocessable } from "../contract/Errors.ts"

const field = (type: string, msg: string) => new Unprocessable({ detail: [{ type, loc: ["body", "file"], msg }] })

const missing = field("missing", "Field required")
const notAFile = field("value_error", "Value error, Expected UploadFile, received: <class 'str'>")

/** What the form costs beside its file. */
const overhead = 64 * 1024

const maxParts = 10

/** Runs `use` with the file's bytes; what it does not read is not read at all. */
export const withFilePart = <A, E, R>(
  request: HttpServerRequest.HttpServerRequest,
  maxBytes: number,
  use: (body: Stream.Stream<Uint8Array, BadRequest | BodyRefused>) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | BadRequest | BodyRefused | Unprocessable, R> =>
  Effect.gen(function* () {
    if (!/^multipart\/form-data\s*;/i.test(request.headers["content-type"] ?? "")) return yield* missing
    const body = requestBody(request, { maxBytes: maxBytes + overhead })
    const parts = body.pipe(
      Stream.pipeThroughChannel(Multipart.makeChannel<BodyRefused>(request.headers)),
      Stream.mapError(refused),
      Stream.provideService(HttpIncomingMessage.MaxBodySize, ByteSize.bytes(maxBytes + overhead)),
      Stream.provideService(Multipart.MaxParts, maxParts)
    )
    const results = yield* parts.pipe(
      Stream.mapEffect((part): Effect.Effect<Option.Option<A>, E | BadRequest | BodyRefused | Unprocessable, R> => {
        if (part.key !== "file") {
          return part._tag === "File"
            ? Effect.as(Stream.runDrain(contentOf(part)), Option.none<A>())
            : Effect.succeedNone
        }
        return part._tag === "File" ? Effect.asSome(use(contentOf(part))) : Effect.fail(notAFile)
      }),
      Stream.filter(Option.isSome),
      Stream.runCollect
    )
    const [first] = results
    return first === undefined ? yield* missing : first.value
  })

const contentOf = (part: Multipart.File) =>
  Stream.mapError(part.content as Stream.Stream<Uint8Array, Multipart.MultipartError | BodyRefused>, refused)

const refused = (error: Multipart.MultipartError | BodyRefused): BadRequest | BodyRefused => {
  if (error._tag === "BodyRefused") return error
  // The parser wraps what went wrong beneath it.
  const cause = error.reason.cause
  if (typeof cause === "object" && cause !== null && "_tag" in cause && cause._tag === "BodyRefused") {
    return cause as BodyRefused
  }
  return new BadRequest({ detail: "The form cannot be read" })
}

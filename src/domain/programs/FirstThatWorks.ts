/** How an attempt finds the encoder that does not fail it. */
import { Effect, Ref, Result } from "effect"
import type { WantedCodec } from "../jobs/Wishes.ts"
import type { Encoder } from "../media/Encoder.ts"
import { describe } from "../media/Encoder.ts"
import { TranscodeFailed } from "../ports/Transcoder.ts"
import { Encoders } from "../workers/Encoders.ts"

const failedDevice = (error: { readonly _tag: string }): error is TranscodeFailed =>
  error._tag === "TranscodeFailed" && ["device", "unfit", "sessions"].includes((error as TranscodeFailed).reason)

/**
 * Goes down the chain while devices fail. All segments of an attempt come from one encoder, and what was registered
 * stays as it is: once something was sent, another encoder needs another attempt.
 */
export const firstThatWorks = Effect.fnUntraced(function* <A, E extends { readonly _tag: string }, R>(
  chain: ReadonlyArray<Encoder>,
  wanted: WantedCodec,
  sent: Effect.Effect<number>,
  encode: (encoder: Encoder, turn: number) => Effect.Effect<A, E, R>,
  notes: Ref.Ref<ReadonlyArray<string>>
) {
  const encoders = yield* Encoders
  const note = (text: string) => Ref.update(notes, (said) => [...said, text])
  let problem = wanted.required
    ? `No encoder for ${wanted.name}, which the job requires, works on this machine`
    : "No encoder works on this machine"
  let details = ""
  for (const [turn, encoder] of chain.entries()) {
    const tried = yield* Effect.result(encoders.using(encoder, encode(encoder, turn)))
    if (Result.isSuccess(tried)) {
      if (turn > 0) yield* note(`Encoded with ${describe(encoder)} instead`)
      return tried.success
    }
    const error = tried.failure
    if (encoder.backend === "software" || !failedDevice(error)) return yield* Effect.fail(error)
    // One whose sessions are taken, or that takes no such pictures, has nothing wrong with it: the next task asks it again.
    yield* error.reason === "device" ? encoders.refuse(encoder, error.problem) : encoders.spare(encoder)
    problem = `${describe(encoder)} failed: ${error.problem}`
    yield* note(problem)
    details = error.details
    if ((yield* sent) > 0) {
      problem = `${problem}. The next attempt uses another encoder, because what was uploaded is this one's`
      break
    }
    yield* Effect.logWarning("encoder failed, trying the next", { encoder: describe(encoder), problem: error.problem })
  }
  return yield* new TranscodeFailed({ reason: "device", problem, details })
})

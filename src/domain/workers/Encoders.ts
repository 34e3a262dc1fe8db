/** The encoders of this machine while it works: what was found at the start, less what has failed since. */
import { Context, Effect, Layer, Metric, Ref } from "effect"
import type { VideoCodec } from "../media/Codec.ts"
import type { Encoder } from "../media/Encoder.ts"
import { describe } from "../media/Encoder.ts"
import type { EncoderPolicy } from "../media/EncoderSelection.ts"
import { encoderChain } from "../media/EncoderSelection.ts"
import { Transcoder } from "../ports/Transcoder.ts"
import type { Capabilities } from "./Capabilities.ts"
import { encoderFailures } from "./Metrics.ts"

interface State {
  /** Reasons, by the description of the encoder that failed. */
  readonly refused: ReadonlyMap<string, string>
  /** Tasks that a device has now, and which turn it had last. */
  readonly work: ReadonlyMap<string, { readonly now: number; readonly turn: number }>
  readonly turn: number
}

const idle = { now: 0, turn: 0 }

/** All encoders of a device share its silicon; those of the processor share that. */
const deviceOf = (encoder: Encoder) => encoder.device ?? encoder.backend

const manyTurns = 1e9

export class Encoders extends Context.Service<
  Encoders,
  {
    /** What works now, and what does not, with the reasons. */
    readonly capabilities: Effect.Effect<Capabilities>
    /** The encoders to try for a task, best first; of equal devices the one with least work, then the one that rested longest. */
    chain(wanted: VideoCodec, policy: EncoderPolicy): Effect.Effect<ReadonlyArray<Encoder>>
    /** Counts a piece of work as its device's. */
    using<A, E, R>(encoder: Encoder, work: Effect.Effect<A, E, R>): Effect.Effect<A, E, R>
    /** Leaves an encoder out until a trial of it succeeds again. */
    refuse(encoder: Encoder, reason: string): Effect.Effect<void>
    /** Tries what was refused since the start: a GPU may have come back. */
    readonly recheck: Effect.Effect<void>
  }
>()("vlog/domain/workers/Encoders") {
  static readonly layer = Layer.effect(
    Encoders,
    Effect.gen(function* () {
      const transcoder = yield* Transcoder
      const state = yield* Ref.make<State>({ refused: new Map(), work: new Map(), turn: 0 })

      const capabilities = Effect.map(Ref.get(state), ({ refused }): Capabilities => {
        const found = transcoder.capabilities
        const reasonFor = (encoder: Encoder) => refused.get(describe(encoder))
        return {
          ...found,
          encoders: found.encoders.filter((encoder) => reasonFor(encoder) === undefined),
          refused: [
            ...found.refused,
            ...found.encoders.flatMap((encoder) => {
              const reason = reasonFor(encoder)
              return reason === undefined ? [] : [{ encoder, reason }]
            })
          ]
        }
      })

      const chain = Effect.fnUntraced(function* (wanted: VideoCodec, policy: EncoderPolicy) {
        const { work } = yield* Ref.get(state)
        return encoderChain(wanted, yield* capabilities, policy, (encoder) => {
          const { now, turn } = work.get(deviceOf(encoder)) ?? idle
          return now * manyTurns + turn
        })
      })

      const count = (encoder: Encoder, change: number) =>
        Ref.update(state, ({ refused, turn, work }): State => {
          const device = deviceOf(encoder)
          const before = work.get(device) ?? idle
          const after = { now: before.now + change, turn: turn + 1 }
          return { refused, turn: turn + 1, work: new Map([...work, [device, after]]) }
        })

      const using = <A, E, R>(encoder: Encoder, work: Effect.Effect<A, E, R>) =>
        Effect.acquireUseRelease(
          count(encoder, 1),
          () => work,
          () => count(encoder, -1)
        )

      const refuse = Effect.fn("Encoders.refuse")(function* (encoder: Encoder, reason: string) {
        yield* Ref.update(state, (now) => ({ ...now, refused: new Map([...now.refused, [describe(encoder), reason]]) }))
        yield* Metric.update(Metric.withAttributes(encoderFailures, { encoder: encoder.name }), 1)
      })

      const tryAgain = Effect.fnUntraced(function* (encoder: Encoder) {
        yield* transcoder.tryOut(encoder)
        yield* Ref.update(state, (now) => ({
          ...now,
          refused: new Map([...now.refused].filter(([key]) => key !== describe(encoder)))
        }))
        yield* Effect.logInfo("encoder works again", { encoder: describe(encoder) })
      })

      const recheck = Effect.gen(function* () {
        const { refused } = yield* Ref.get(state)
        const gone = transcoder.capabilities.encoders.filter((encoder) => refused.has(describe(encoder)))
        yield* Effect.forEach(gone, (encoder) => Effect.ignore(tryAgain(encoder)), { discard: true })
      })

      return Encoders.of({ capabilities, chain, using, refuse, recheck })
    })
  )
}

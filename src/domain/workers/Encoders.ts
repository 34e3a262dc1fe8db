/** The encoders of this machine while it works: what was found at the start, less what has failed since. */
import { Context, Effect, Layer, Metric, Ref } from "effect"
import type { Encoder } from "../media/Encoder.ts"
import { describe } from "../media/Encoder.ts"
import type { EncoderPolicy, Wanted } from "../media/EncoderSelection.ts"
import { encoderChain } from "../media/EncoderSelection.ts"
import { type TranscodeFailed, Transcoder } from "../ports/Transcoder.ts"
import type { Capabilities } from "./Capabilities.ts"
import { encoderFailuresOf, touchEncoders } from "./Metrics.ts"

interface State {
  /** What the trials at the start found; null until they have ended. */
  readonly found: Capabilities | null
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

const failed = (encoder: Encoder) => Metric.update(encoderFailuresOf(encoder), 1)

const lost = (encoder: Encoder, problem: string) =>
  Effect.logWarning("encoder works no more", { encoder: describe(encoder), problem })

export class Encoders extends Context.Service<
  Encoders,
  {
    /** Tries everything once. Until then nothing is known, and no chain has a link. */
    readonly discover: Effect.Effect<Capabilities, TranscodeFailed>
    /** What works now, and what does not, with the reasons. */
    readonly capabilities: Effect.Effect<Capabilities | null>
    /**
     * The encoders to try for a task, best first; of equal devices the one with least work, then the one that rested
     * longest.
     */
    chain(wanted: Wanted, policy: EncoderPolicy): Effect.Effect<ReadonlyArray<Encoder>>
    /** Counts a piece of work as its device's. */
    using<A, E, R>(encoder: Encoder, work: Effect.Effect<A, E, R>): Effect.Effect<A, E, R>
    /** Leaves an encoder out until a trial of it succeeds again. */
    refuse(encoder: Encoder, reason: string): Effect.Effect<void>
    /** Counts that an encoder had no room for a task, or does not take such pictures. It stays where it is. */
    spare(encoder: Encoder): Effect.Effect<void>
    /** Tries those of the processor, because a task failed as it does where the programs are not what they were. */
    readonly doubt: Effect.Effect<void>
    /** Tries what was refused since the start, and every device that rests: a GPU may have come back, or gone. */
    readonly recheck: Effect.Effect<void>
  }
>()("vlog/domain/workers/Encoders") {
  static readonly layer = Layer.effect(
    Encoders,
    Effect.gen(function* () {
      const transcoder = yield* Transcoder
      const state = yield* Ref.make<State>({ found: null, refused: new Map(), work: new Map(), turn: 0 })

      const discover = Effect.gen(function* () {
        const found = yield* transcoder.detect
        yield* Ref.update(state, (now) => ({ ...now, found }))
        yield* touchEncoders([...found.encoders, ...found.refused.map(({ encoder }) => encoder)])
        return found
      })

      const capabilities = Effect.map(Ref.get(state), ({ found, refused }): Capabilities | null => {
        if (found === null) return null
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

      const chain = Effect.fnUntraced(function* (wanted: Wanted, policy: EncoderPolicy) {
        const { work } = yield* Ref.get(state)
        return encoderChain(wanted, (yield* capabilities)?.encoders ?? [], policy, (encoder) => {
          const { now, turn } = work.get(deviceOf(encoder)) ?? idle
          return now * manyTurns + turn
        })
      })

      const count = (encoder: Encoder, change: number) =>
        Ref.update(state, ({ turn, work, ...now }): State => {
          const device = deviceOf(encoder)
          const before = work.get(device) ?? idle
          const after = { now: before.now + change, turn: turn + 1 }
          return { ...now, turn: turn + 1, work: new Map([...work, [device, after]]) }
        })

      const using = <A, E, R>(encoder: Encoder, work: Effect.Effect<A, E, R>) =>
        Effect.acquireUseRelease(
          count(encoder, 1),
          () => work,
          () => count(encoder, -1)
        )

      const refuse = Effect.fn("Encoders.refuse")(function* (encoder: Encoder, reason: string) {
        yield* Ref.update(state, (now) => ({ ...now, refused: new Map([...now.refused, [describe(encoder), reason]]) }))
        yield* failed(encoder)
      })

      const tryAgain = Effect.fnUntraced(function* (encoder: Encoder) {
        yield* transcoder.tryOut(encoder)
        yield* Ref.update(state, (now) => ({
          ...now,
          refused: new Map([...now.refused].filter(([key]) => key !== describe(encoder)))
        }))
        yield* Effect.logInfo("encoder works again", { encoder: describe(encoder) })
      })

      /** What one encoder of a device can do without shows only when the others are tried as well. */
      const look = Effect.fnUntraced(function* ([first, ...others]: ReadonlyArray<Encoder>) {
        const tryOut = (encoder: Encoder) =>
          Effect.matchEffect(transcoder.tryOut(encoder), {
            onSuccess: () => Effect.succeed(true),
            onFailure: ({ problem, reason }) =>
              // Somebody else has the sessions: the device is there.
              reason === "sessions"
                ? Effect.succeed(true)
                : Effect.as(Effect.andThen(lost(encoder, problem), refuse(encoder, problem)), false)
          })
        if (first === undefined || (yield* tryOut(first))) return
        yield* Effect.forEach(others, tryOut, { discard: true })
      })

      const doubt = Effect.flatMap(capabilities, (now) =>
        look((now?.encoders ?? []).filter(({ device }) => device === null))
      )

      const recheck = Effect.gen(function* () {
        const { found, refused, work } = yield* Ref.get(state)
        const encoders = found?.encoders ?? []
        const gone = encoders.filter((encoder) => refused.has(describe(encoder)))
        const resting = encoders.filter(
          (encoder) =>
            encoder.device !== null &&
            !refused.has(describe(encoder)) &&
            (work.get(deviceOf(encoder)) ?? idle).now === 0
        )
        yield* Effect.forEach(gone, (encoder) => Effect.ignore(tryAgain(encoder)), { discard: true })
        yield* Effect.forEach(Map.groupBy(resting, deviceOf).values(), look, { discard: true })
      })

      return Encoders.of({ discover, capabilities, chain, using, refuse, spare: failed, doubt, recheck })
    })
  )
}

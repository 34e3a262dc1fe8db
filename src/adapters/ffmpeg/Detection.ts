/** Which encoders really work on this machine: each one that ffmpeg lists makes a few frames. */
import { Effect, Result } from "effect"
import type { Encoder } from "../../domain/media/Encoder.ts"
import { make as makeFrameRate } from "../../domain/media/FrameRate.ts"
import * as SegmentGrid from "../../domain/media/SegmentGrid.ts"
import { TranscodeFailed } from "../../domain/ports/Transcoder.ts"
import type { Capabilities } from "../../domain/workers/Capabilities.ts"
import { Subprocess } from "../process/Subprocess.ts"
import { trialArguments } from "./Arguments.ts"
import { backends } from "./backends/index.ts"
import { lastWords } from "./FailureReason.ts"

/** `ffmpeg version 5.1.9-0+deb12u1 Copyright ...` */
const versionOf = (output: string): string => /^ffmpeg version (\S+)/.exec(output)?.[1] ?? "unknown"

/** Names in the list of `ffmpeg -encoders`: six flags, then the name. */
const listedEncoders = (output: string): ReadonlySet<string> =>
  new Set([...output.matchAll(/^ [VAS][A-Z.]{5} (\S+)/gm)].map((match) => match[1]!))

const trialGrid = SegmentGrid.make(makeFrameRate(30))

const unusable = (problem: string) => new TranscodeFailed({ reason: "device", problem, details: "" })

export const detect: Effect.Effect<Capabilities, TranscodeFailed, Subprocess> = Effect.gen(function* () {
  const subprocess = yield* Subprocess
  const ask = (option: string) =>
    subprocess.run("ffmpeg", ["-hide_banner", option]).pipe(
      Effect.map(({ stdout }) => stdout),
      Effect.mapError((error) =>
        unusable(error._tag === "SpawnFailed" ? `${error.message}. Install ffmpeg` : error.message)
      )
    )
  const ffmpegVersion = versionOf(yield* ask("-version"))
  const listed = listedEncoders(yield* ask("-encoders"))
  const candidates = backends.flatMap((module) =>
    module.encoders
      .filter((encoder) => listed.has(encoder.name))
      .map((encoder): Encoder => ({ ...encoder, backend: module.backend, device: null }))
  )
  const tried = yield* Effect.forEach(candidates, (encoder) =>
    subprocess.run("ffmpeg", trialArguments({ encoder, grid: trialGrid })).pipe(
      Effect.result,
      Effect.map((result) => ({ encoder, result }))
    )
  )
  return {
    ffmpegVersion,
    encoders: tried.filter(({ result }) => Result.isSuccess(result)).map(({ encoder }) => encoder),
    refused: tried.flatMap(({ encoder, result }) =>
      Result.isFailure(result)
        ? [
            {
              encoder,
              reason:
                result.failure._tag === "ProcessFailed" ? lastWords(result.failure.stderrTail) : result.failure.message
            }
          ]
        : []
    )
  }
})

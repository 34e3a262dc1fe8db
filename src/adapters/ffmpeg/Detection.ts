/** Which encoders really work on this machine: each one that ffmpeg lists makes a few frames on each device. */
import { isDeepStrictEqual } from "node:util"
import { Effect } from "effect"
import { outputDepth } from "../../domain/media/Codec.ts"
import type { Encoder } from "../../domain/media/Encoder.ts"
import { TranscodeFailed } from "../../domain/ports/Transcoder.ts"
import type { Capabilities, Device, RefusedEncoder } from "../../domain/workers/Capabilities.ts"
import { Subprocess } from "../process/Subprocess.ts"
import { environmentFor, trialArguments } from "./Arguments.ts"
import type { BackendModule, Candidate } from "./backends/Backend.ts"
import { backends } from "./backends/index.ts"
import { cause } from "./FailureReason.ts"
import { look, type Machine } from "./Machine.ts"
import { Sandbox } from "./Sandbox.ts"

/** `ffmpeg version 5.1.9-0+deb12u1 Copyright ...` */
const versionOf = (output: string): string => /^ffmpeg version (\S+)/.exec(output)?.[1] ?? "unknown"

/** Names in the lists of `ffmpeg -encoders` and `-decoders`: six flags, then the name. */
const listed = (output: string): ReadonlySet<string> =>
  new Set([...output.matchAll(/^ [VAS][A-Z.]{5} (\S+)/gm)].map((match) => match[1]!))

/** What cameras, telephones, editors and older archives make; an AV1 decoder has one of three names. */
const usualDecoders = [
  ..."h264 hevc av1 libdav1d libaom-av1 vp9 vp8 mpeg4 mpeg2video mpeg1video mjpeg prores dnxhd vc1 wmv3 theora dvvideo".split(
    " "
  ),
  ..."aac mp3 mp3float ac3 eac3 opus vorbis flac alac pcm_s16le".split(" ")
]

const unusable = (problem: string) => new TranscodeFailed({ reason: "device", problem, details: "" })

/** A driver in a bad state may not answer at all. */
const patience = "30 seconds"

/** Makes a few frames and gives what ffmpeg said meanwhile, or fails with the driver's own words. */
export const tryOut = Effect.fn("Detection.tryOut")(function* (encoder: Encoder) {
  const subprocess = yield* Subprocess
  const around = (yield* Sandbox).around({
    purpose: "encode",
    devices: encoder.backend !== "software",
    env: environmentFor(encoder)
  })
  return yield* subprocess.run("ffmpeg", trialArguments(encoder), around).pipe(
    Effect.map(({ stderrTail }) => stderrTail),
    Effect.mapError((error) => {
      if (error._tag === "SpawnFailed") return unusable(error.message)
      const problem = error.signal === null ? cause(error.stderrTail) : `ffmpeg was killed by ${error.signal}`
      return new TranscodeFailed({ reason: "device", problem, details: error.stderrTail })
    }),
    Effect.timeoutOrElse({
      duration: patience,
      orElse: () => Effect.fail(unusable(`no frame within ${patience}`))
    })
  )
})

interface Findings {
  readonly encoders: ReadonlyArray<Encoder>
  readonly refused: ReadonlyArray<RefusedEncoder>
}

const together = (findings: ReadonlyArray<Findings>): Findings => ({
  encoders: findings.flatMap(({ encoders }) => encoders),
  refused: findings.flatMap(({ refused }) => refused)
})

const refusal = (encoder: Encoder, reason: string): Findings => ({ encoders: [], refused: [{ encoder, reason }] })

/** An encoder that turns out to be of another release is tried again, where jobs will use other options with that. */
const trial = Effect.fnUntraced(
  function* (module: BackendModule, encoder: Encoder): Effect.fn.Return<Findings, TranscodeFailed, Subprocess> {
    const said = yield* tryOut(encoder)
    const release = module.release?.exec(said)?.[1]
    if (release === undefined) return { encoders: [encoder], refused: [] }
    const known = { ...encoder, release: Number(release) }
    if (!isDeepStrictEqual(trialArguments(known), trialArguments(encoder))) yield* tryOut(known)
    return { encoders: [known], refused: [] }
  },
  (effect, _module, encoder) => Effect.catch(effect, ({ problem }) => Effect.succeed(refusal(encoder, problem)))
)

/** With pictures from memory and, where the device might scale as well and the first works, with those of the device. */
const tryPipelines = Effect.fnUntraced(function* (module: BackendModule, encoder: Encoder) {
  const inMemory = yield* trial(module, encoder)
  const [works] = inMemory.encoders
  if (works === undefined || module.hardware === undefined) return inMemory
  return together([yield* trial(module, { ...works, pipeline: "device" }), inMemory])
})

/** The first way of rate control that works, and with it, where the codec is one for that, pictures of 10 bit. */
const tryModes = Effect.fnUntraced(function* (module: BackendModule, encoder: Encoder) {
  const found: Array<Findings> = []
  for (const mode of module.modes) {
    const usual = yield* tryPipelines(module, { ...encoder, ...(mode === undefined ? {} : { mode }) })
    found.push(usual)
    const works = usual.encoders.find(({ pipeline }) => pipeline === undefined)
    if (works === undefined) continue
    if (outputDepth(works.codec, 10) === 10) found.push(yield* tryPipelines(module, { ...works, depth: 10 }))
    break
  }
  return together(found)
})

/** On a device one trial after the other: many at once would run into the number of sessions that a driver allows. */
const tryCandidate = (module: BackendModule, known: ReadonlySet<string>, { device, problem, vendor }: Candidate) =>
  Effect.map(
    Effect.forEach(
      module.encoders,
      ({ codec, name }) => {
        const encoder: Encoder = {
          name,
          codec,
          backend: module.backend,
          device,
          ...(vendor === undefined ? {} : { vendor })
        }
        if (!known.has(name)) return Effect.succeed(refusal(encoder, "this ffmpeg was built without it"))
        return problem === undefined ? tryModes(module, encoder) : Effect.succeed(refusal(encoder, problem))
      },
      { concurrency: device === null ? module.encoders.length : 1 }
    ),
    together
  )

const tryBackend = (module: BackendModule, known: ReadonlySet<string>, machine: Machine) => {
  const candidates = module.candidates(machine)
  if (typeof candidates !== "string") {
    return Effect.map(
      Effect.forEach(candidates, (candidate) => tryCandidate(module, known, candidate)),
      together
    )
  }
  const absent = module.encoders.filter(({ name }) => known.has(name))
  return Effect.succeed(
    together(absent.map((encoder) => refusal({ ...encoder, backend: module.backend, device: null }, candidates)))
  )
}

const devicesOf = ({ gpus, renderNodes }: Machine): ReadonlyArray<Device> => [
  ...gpus.map(({ driver, index, name }) => ({ device: String(index), vendor: "nvidia" as const, name, driver })),
  ...renderNodes
]

const ask = Effect.fnUntraced(
  function* (program: "ffmpeg" | "ffprobe", option: string) {
    const subprocess = yield* Subprocess
    return (yield* subprocess.run(program, ["-hide_banner", option])).stdout
  },
  (asked, program, option) =>
    asked.pipe(
      Effect.mapError((error) =>
        unusable(error._tag === "SpawnFailed" ? `${error.message}. The package ffmpeg brings both` : error.message)
      ),
      Effect.timeoutOrElse({
        duration: patience,
        orElse: () => unusable(`${program} ${option} does not answer within ${patience}`)
      })
    )
)

/** Sources are looked into with it: without one, every task would fail. */
export const askProbe = ask("ffprobe", "-version")

/** `root` is the folder that holds `dev` and `sys`. */
export const detect = Effect.fn("Detection.detect")(function* (
  root: string
): Effect.fn.Return<Capabilities, TranscodeFailed, Subprocess> {
  const [version, encoders, decoders, , machine] = yield* Effect.all(
    [ask("ffmpeg", "-version"), ask("ffmpeg", "-encoders"), ask("ffmpeg", "-decoders"), askProbe, look(root)],
    { concurrency: 5 }
  )
  const known = listed(encoders)
  const decodes = listed(decoders)
  const tried = yield* Effect.forEach(backends, (module) => tryBackend(module, known, machine), {
    concurrency: backends.length
  })
  return {
    ffmpegVersion: versionOf(version),
    devices: devicesOf(machine),
    decoders: usualDecoders.filter((name) => decodes.has(name)),
    ...together(tried)
  }
})

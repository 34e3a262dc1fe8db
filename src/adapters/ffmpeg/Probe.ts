/** MediaProbe by ffprobe. */
import { Duration, Effect, Layer, Schema, Stream } from "effect"
import { stat } from "node:fs/promises"
import type { ArrivingSource } from "../../domain/media/ArrivingSource.ts"
import { SourceRejected } from "../../domain/media/Source.ts"
import { MediaProbe, ProbeUnavailable } from "../../domain/ports/MediaProbe.ts"
import { Subprocess } from "../process/Subprocess.ts"
import { inputOptions } from "./InputOptions.ts"
import { makeOutline } from "./Outline.ts"
import { Sandbox } from "./Sandbox.ts"
import {
  collectPacket,
  emptyListing,
  packetEntries,
  probeEntries,
  ProbeOutput,
  toSource,
  unknownFormat
} from "./ProbeOutput.ts"
import { isOfFile, notAVideo, unreadable, withoutPictures } from "./Unreadable.ts"

/** A day of 60 pictures a second with two sound tracks has half of it; the times of all of them are kept in memory. */
const maxPackets = 30_000_000

const tooManyPackets = Effect.fail(
  new SourceRejected({
    problem: `The file is in more than ${maxPackets} pieces`,
    remedy: "Convert it with another program and upload the result"
  })
)

/** For a file that is read once, at the least speed of a disk in bytes a second, by a machine that has much to do. */
const patience = Duration.minutes(5)
const slowestDisk = 5_000_000

/** Pictures may come late: ffprobe gives up after five seconds of sound otherwise, and says nothing of them. */
const lookFar = ["-analyzeduration", "120M", "-probesize", "100M"]

const decodeOutput = Schema.decodeUnknownEffect(ProbeOutput)

export const layer: Layer.Layer<MediaProbe, never, Subprocess> = Layer.effect(
  MediaProbe,
  Effect.gen(function* () {
    const subprocess = yield* Subprocess
    const sandbox = yield* Sandbox

    const describe = (path: string) =>
      subprocess
        .run(
          "ffprobe",
          ["-v", "error", "-of", "json", "-show_entries", probeEntries, ...lookFar, ...inputOptions(path)],
          sandbox.around({ purpose: "probe", reads: [path] })
        )
        .pipe(
          Effect.catchTags({
            SpawnFailed: (error) => Effect.fail(new ProbeUnavailable({ problem: error.message })),
            ProcessFailed: (error) =>
              error.exitCode === 1 && isOfFile(error.stderrTail, path)
                ? Effect.flatMap(
                    Effect.promise(() => unreadable(error.stderrTail, path)),
                    Effect.fail
                  )
                : Effect.fail(new ProbeUnavailable({ problem: error.message }))
          }),
          Effect.flatMap(({ stdout }) => decodeOutput(stdout)),
          Effect.catchTag("SchemaError", () => Effect.fail(notAVideo("ffprobe's description of it makes no sense")))
        )

    /** A damaged file makes ffprobe end badly after what it could read: what it could not is missing, and that is judged. */
    const scan = Effect.fnUntraced(
      function* (path: string, container: string) {
        const listing = emptyListing(container)
        const child = yield* subprocess.start(
          "ffprobe",
          ["-v", "error", "-of", "csv=p=0", "-show_entries", packetEntries, ...inputOptions(path)],
          sandbox.around({ purpose: "probe", reads: [path] })
        )
        let packets = 0
        yield* child.lines.pipe(
          Stream.takeWhile(() => packets++ < maxPackets),
          Stream.runForEach((line) => Effect.sync(() => collectPacket(listing, line)))
        )
        if (packets > maxPackets) return yield* tooManyPackets
        yield* Effect.ignore(child.exit)
        return listing.streams
      },
      Effect.scoped,
      Effect.catchTag("SpawnFailed", (error) => Effect.fail(new ProbeUnavailable({ problem: error.message })))
    )

    const probe = Effect.fn("MediaProbe.probe")(function* (path: string) {
      const { size } = yield* Effect.tryPromise({
        try: () => stat(path),
        catch: (cause) => new ProbeUnavailable({ problem: `${path} cannot be read: ${String(cause)}` })
      })
      const { described, packets } = yield* Effect.gen(function* () {
        const described = yield* describe(path)
        return { described, packets: yield* scan(path, described.format.format_name) }
      }).pipe(
        Effect.timeoutOrElse({
          duration: Duration.sum(patience, Duration.seconds(size / slowestDisk)),
          orElse: () => new ProbeUnavailable({ problem: `ffprobe does not come to an end with ${path}` })
        })
      )
      const source = toSource(described, packets, size)
      return source ?? (yield* withoutPictures(described.streams.some((stream) => stream.codec_type === "audio")))
    })

    const foresee = Effect.fn("MediaProbe.foresee")(function* (source: ArrivingSource) {
      const outline = yield* makeOutline(source)
      if (outline === null) return null
      const foreseen = yield* probe(outline)
      return foreseen.video.pixelFormat === unknownFormat ? null : foreseen
    }, Effect.scoped)

    return MediaProbe.of({ probe, foresee })
  })
)

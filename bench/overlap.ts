/**
 * One attempt of a worker over a slow link, with everything real but the API: the same film with its index in front, which
 * is encoded while it arrives, and with its index at the end, which is waited for. In one run, in turns, beside what
 * download, encoding and upload take by themselves.
 *
 *     node bench/overlap.ts                             12 s of 1080p at 8 and 20 Mbit/s each way
 *     node bench/overlap.ts --seconds 20 --link 20 --rounds 3
 */
import { execFile } from "node:child_process"
import { createHash } from "node:crypto"
import { createReadStream } from "node:fs"
import { mkdtemp, readFile, rm } from "node:fs/promises"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { promisify } from "node:util"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { Duration, Effect, Layer, Ref, References, Stream } from "effect"
import { HttpClient } from "effect/http"
import * as Probe from "../src/adapters/ffmpeg/Probe.ts"
import { sampleVideoArguments } from "../src/adapters/ffmpeg/SampleVideo.ts"
import * as FfmpegTranscoder from "../src/adapters/ffmpeg/Transcoder.ts"
import * as Inspector from "../src/adapters/mp4/Inspector.ts"
import { Subprocess } from "../src/adapters/process/Subprocess.ts"
import * as DiskWorkspace from "../src/adapters/storage/Workspace.ts"
import { download } from "../src/adapters/worker-api/client/Download.ts"
import { Sha256 } from "../src/domain/ids.ts"
import * as Progress from "../src/domain/jobs/Progress.ts"
import { policies } from "../src/domain/media/EncoderSelection.ts"
import { wholeSource } from "../src/domain/media/TranscodePlan.ts"
import type { ClaimedTask } from "../src/domain/ports/JobStore.ts"
import { MediaProbe } from "../src/domain/ports/MediaProbe.ts"
import { Transcoder } from "../src/domain/ports/Transcoder.ts"
import { ApiUnavailable, WorkerApi } from "../src/domain/ports/WorkerApi.ts"
import type { AttemptReport } from "../src/domain/programs/AttemptReport.ts"
import { transcodeTask } from "../src/domain/programs/TranscodeTask.ts"
import { Encoders } from "../src/domain/workers/Encoders.ts"
import { WorkerState } from "../src/domain/workers/WorkerState.ts"
import { claimedTask } from "../test/domain/support/worker.ts"
import { options } from "./support/options.ts"

/** A link's rate is in Mbit/s, each way. */
const { link: links, rounds, seconds: length } = options({ seconds: 12, link: [8, 20], rounds: 1 })

const run = promisify(execFile)

/** One direction of a link: each call waits until its bytes are through, behind those before them. */
const makeLane = (megabits: number) => {
  let free = 0
  return (bytes: number) => {
    free = Math.max(free, performance.now()) + (bytes * 8) / (megabits * 1000)
    return sleep(free - performance.now())
  }
}

const piece = 64 * 1024

/** Gives the film and takes segments, each over its own lane. */
const startServer = async (film: string, megabits: number) => {
  const [down, up] = [makeLane(megabits), makeLane(megabits)]
  let taken = 0
  const give = async (response: ServerResponse) => {
    for await (const chunk of createReadStream(film, { highWaterMark: piece })) {
      await down((chunk as Buffer).length)
      response.write(chunk)
    }
    response.end()
  }
  const take = async (request: IncomingMessage, response: ServerResponse) => {
    for await (const chunk of request) {
      taken += (chunk as Buffer).length
      await up((chunk as Buffer).length)
    }
    response.end()
  }
  const server = createServer((request, response) =>
    request.method === "GET" ? give(response) : take(request, response)
  ).listen(0, "127.0.0.1")
  await new Promise((listening) => server.once("listening", listening))
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    taken: () => taken,
    close: () => server.close()
  }
}

type Server = Awaited<ReturnType<typeof startServer>>

/** What an attempt asks of the API beside bytes costs nothing here. */
const workerApi = ({ address }: Server) =>
  Layer.effect(
    WorkerApi,
    Effect.map(HttpClient.HttpClient, (client) =>
      WorkerApi.of({
        heartbeat: () => Effect.succeed({ welcome: true, cancelled: [] }),
        claim: Effect.succeedNone,
        renew: () => Effect.void,
        download: (task, path, arrived) => download({ client, address, headers: {}, task, path, arrived }),
        begin: () => Effect.succeedNone,
        adopt: () => Effect.void,
        upload: (_, __, path) =>
          Effect.tryPromise({
            try: async () => fetch(address, { method: "POST", body: await readFile(path) }),
            catch: (cause) => new ApiUnavailable({ problem: String(cause) })
          }),
        complete: () => Effect.void,
        fail: () => Effect.void,
        release: () => Effect.void
      })
    )
  ).pipe(Layer.provide(NodeHttpClient.layerNodeHttp))

const ffmpeg = Layer.mergeAll(Probe.layer, FfmpegTranscoder.layer({ stallAfter: Duration.minutes(2) })).pipe(
  Layer.provide(Subprocess.layer)
)

const seconds = Effect.fnUntraced(function* <A, E, R>(effect: Effect.Effect<A, E, R>) {
  const began = performance.now()
  yield* effect
  return (performance.now() - began) / 1000
})

const attempt = Effect.fnUntraced(function* (film: string, megabits: number, folder: string) {
  const bytes = yield* Effect.promise(() => readFile(film))
  const server = yield* Effect.acquireRelease(
    Effect.promise(() => startServer(film, megabits)),
    ({ close }) => Effect.sync(close)
  )
  const task: ClaimedTask = {
    ...claimedTask(),
    source: {
      fileName: "film.mp4",
      extension: ".mp4",
      bytes: bytes.length,
      sha256: Sha256.make(createHash("sha256").update(bytes).digest("hex"))
    }
  }
  const layers = Layer.mergeAll(
    workerApi(server),
    Layer.provideMerge(Encoders.layer, ffmpeg),
    DiskWorkspace.layer({ root: join(folder, "work"), keepFree: 0 }),
    Inspector.layer,
    WorkerState.layer
  )
  const took = yield* Effect.gen(function* () {
    yield* (yield* Encoders).discover
    return yield* seconds(
      transcodeTask({
        task,
        codec: "h264",
        policy: policies.none,
        threads: null,
        drainFor: Duration.zero,
        report: yield* Ref.make<AttemptReport>({ progress: Progress.none, facts: null }),
        notes: yield* Ref.make<ReadonlyArray<string>>([])
      })
    )
  }).pipe(Effect.provide(layers))
  return { took, megabytes: bytes.length / 1e6, sent: server.taken() / 1e6 }
}, Effect.scoped)

/** Probe and encode of a film that is here, without sending anything. */
const encodeAlone = (film: string, folder: string) =>
  seconds(
    Effect.gen(function* () {
      const source = yield* (yield* MediaProbe).probe(film)
      const encoder = { name: "libx264", codec: "h264", backend: "software", device: null } as const
      const job = { plan: wholeSource(source, { encoder }), source: film, folder: join(folder, "alone") }
      yield* Stream.runDrain((yield* Transcoder).transcode(job))
    }).pipe(Effect.provide(ffmpeg))
  )

const program = Effect.gen(function* () {
  const folder = yield* Effect.acquireRelease(
    Effect.promise(() => mkdtemp(join(tmpdir(), "vlog-overlap-"))),
    (folder) => Effect.promise(() => rm(folder, { recursive: true, force: true }))
  )
  const at = (name: string) => join(folder, name)
  yield* Effect.promise(async () => {
    const film = { seconds: length, width: 1280, height: 720 }
    await run("ffmpeg", sampleVideoArguments({ ...film, output: at("drawn.mp4") }))
    // As a camera writes it.
    const encoded = "-vf scale=1920:1080 -c:v libx264 -preset veryfast -b:v 20M -maxrate 25M -bufsize 40M -c:a copy"
    await run("ffmpeg", ["-v", "error", "-i", at("drawn.mp4"), ...encoded.split(" "), at("waited.mp4")])
    const moved = "-c copy -movflags +faststart".split(" ")
    await run("ffmpeg", ["-v", "error", "-i", at("waited.mp4"), ...moved, at("arriving.mp4")])
  })
  for (const link of links) {
    for (let round = 0; round < rounds; round++) {
      const waited = yield* attempt(at("waited.mp4"), link, folder)
      const arriving = yield* attempt(at("arriving.mp4"), link, folder)
      const alone = yield* encodeAlone(at("arriving.mp4"), folder)
      const [down, up] = [(arriving.megabytes * 8) / link, (arriving.sent * 8) / link]
      const ideal = Math.max(down, alone, up)
      console.log(
        `${link} Mbit/s: waited for ${waited.took.toFixed(1)} s, encoded as it arrives ${arriving.took.toFixed(1)} s,` +
          ` ${(waited.took / arriving.took).toFixed(2)} times as fast; download ${down.toFixed(1)} s, encoding` +
          ` ${alone.toFixed(1)} s, upload ${up.toFixed(1)} s: ${(arriving.took / ideal).toFixed(2)} of the longest (wanted: 1.15)`
      )
    }
  }
}).pipe(Effect.scoped, Effect.provideService(References.MinimumLogLevel, "Warn"))

await Effect.runPromise(program)

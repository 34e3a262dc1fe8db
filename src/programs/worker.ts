/** A worker. */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { Effect, Layer } from "effect"
import * as Probe from "../adapters/ffmpeg/Probe.ts"
import * as FfmpegTranscoder from "../adapters/ffmpeg/Transcoder.ts"
import * as SegmentInspector from "../adapters/mp4/Inspector.ts"
import { Subprocess } from "../adapters/process/Subprocess.ts"
import * as DiskWorkspace from "../adapters/storage/Workspace.ts"
import * as HttpWorkerApi from "../adapters/worker-api/client/WorkerApi.ts"
import { work } from "../domain/programs/Work.ts"
import { WorkerState } from "../domain/workers/WorkerState.ts"
import { launch } from "./launch.ts"
import { workerSettings } from "./settings/worker.ts"

const ffmpeg = (stallAfter: Parameters<typeof FfmpegTranscoder.layer>[0]["stallAfter"]) =>
  Layer.mergeAll(Probe.layer, FfmpegTranscoder.layer({ stallAfter })).pipe(Layer.provide(Subprocess.layer))

launch(
  Effect.gen(function* () {
    const settings = yield* workerSettings
    const layers = Layer.mergeAll(
      ffmpeg(settings.stallAfter),
      SegmentInspector.layer,
      DiskWorkspace.layer({ root: settings.workDir }),
      HttpWorkerApi.layer({ address: settings.address, key: settings.key, leaseSeconds: settings.leaseSeconds }).pipe(
        Layer.provide(NodeHttpClient.layerUndici)
      ),
      WorkerState.layer
    )
    return yield* work(settings).pipe(Effect.scoped, Effect.provide(layers))
  })
)

/** A worker. */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { Deferred, Effect, Layer } from "effect"
import { readAllowance } from "../adapters/cgroup/Limits.ts"
import * as Probe from "../adapters/ffmpeg/Probe.ts"
import * as Sandbox from "../adapters/ffmpeg/Sandbox.ts"
import * as FfmpegTranscoder from "../adapters/ffmpeg/Transcoder.ts"
import * as SegmentInspector from "../adapters/mp4/Inspector.ts"
import * as Gauges from "../adapters/ops/Gauges.ts"
import * as Ops from "../adapters/ops/Server.ts"
import { Subprocess } from "../adapters/process/Subprocess.ts"
import * as DiskWorkspace from "../adapters/storage/Workspace.ts"
import * as HttpWorkerApi from "../adapters/worker-api/client/WorkerApi.ts"
import { greet } from "../domain/programs/Introduce.ts"
import { work } from "../domain/programs/Work.ts"
import { Encoders } from "../domain/workers/Encoders.ts"
import { WorkerState } from "../domain/workers/WorkerState.ts"
import { launch } from "./launch.ts"
import { workerSettings } from "./settings/worker.ts"
import { sampling } from "./telemetry.ts"
import { version } from "./version.ts"

/**
 * Completes with the second signal: the first lets the task in hand go on for a while. It listens to the very end: a
 * signal that nobody listens to would end this process as a failure while it says its last words.
 */
const secondSignal = Effect.gen(function* () {
  const hurry = yield* Deferred.make<void>()
  let signals = 0
  const count = () => {
    signals += 1
    if (signals === 2) Deferred.doneUnsafe(hurry, Effect.void)
  }
  yield* Effect.sync(() => process.on("SIGTERM", count).on("SIGINT", count))
  return { hurry: Deferred.await(hurry) }
})

const sayConfinement = ({ reason, sandbox }: Sandbox.SandboxReport) =>
  sandbox === "bubblewrap"
    ? Effect.logInfo("ffmpeg runs in a sandbox", { sandbox })
    : Effect.logWarning(
        sandbox === "none" ? "ffmpeg runs without a sandbox" : "ffmpeg runs in a sandbox that has a network",
        { sandbox, reason }
      )

/** What is known of this machine only when it was looked at, and all that needs it. */
const machine = (settings: Effect.Success<typeof workerSettings>, sandbox: Sandbox.Confined) => {
  const ffmpeg = Layer.mergeAll(Probe.layer, FfmpegTranscoder.layer(settings)).pipe(
    Layer.provide([Subprocess.layer, Layer.succeed(Sandbox.Sandbox)(sandbox)])
  )
  const abilities = Layer.mergeAll(
    Layer.provideMerge(Encoders.layer, ffmpeg),
    DiskWorkspace.layer({ root: settings.workDir, keepFree: settings.keepFree })
  )
  const { address, healthPort } = settings
  const ops =
    healthPort === null ? Layer.empty : Ops.layer({ version, address, port: healthPort, confinement: sandbox.report })
  return Layer.mergeAll(
    SegmentInspector.layer,
    Layer.merge(ops, sampling).pipe(Layer.provide(Gauges.layer(version)))
  ).pipe(Layer.provideMerge(abilities))
}

const live = Effect.fnUntraced(function* (settings: Effect.Success<typeof workerSettings>) {
  const { hurry } = yield* secondSignal
  const greeting = yield* greet
  const sandbox = yield* Sandbox.open({ mode: settings.sandbox, memory: settings.maxMemory }).pipe(
    Effect.tap(({ report }) => sayConfinement(report)),
    Effect.provide(Subprocess.layer)
  )
  const allowance = yield* readAllowance()
  return yield* work({ ...settings, allowance, hurry }, greeting).pipe(
    Effect.scoped,
    Effect.provide(machine(settings, sandbox))
  )
}, Effect.scoped)

launch(
  "worker",
  Effect.gen(function* () {
    const settings = yield* workerSettings
    const api = HttpWorkerApi.layer(settings).pipe(Layer.provide(NodeHttpClient.layerNodeHttp))
    return yield* live(settings).pipe(Effect.provide([api, WorkerState.layer]))
  })
)

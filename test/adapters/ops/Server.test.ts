import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Gauges from "../../../src/adapters/ops/Gauges.ts"
import * as Ops from "../../../src/adapters/ops/Server.ts"
import { Transcoder } from "../../../src/domain/ports/Transcoder.ts"
import { Workspace } from "../../../src/domain/ports/Workspace.ts"
import type { Encoder } from "../../../src/domain/media/Encoder.ts"
import { Encoders } from "../../../src/domain/workers/Encoders.ts"
import { touchMetrics } from "../../../src/domain/workers/Metrics.ts"
import { WorkerState } from "../../../src/domain/workers/WorkerState.ts"

const libx264: Encoder = { name: "libx264", codec: "h264", backend: "software", device: null }
const nvenc: Encoder = { name: "h264_nvenc", codec: "h264", backend: "nvenc", device: "0", vendor: "nvidia" }

const machine = Encoders.layer.pipe(
  Layer.provide(
    Layer.mock(Transcoder)({
      detect: Effect.succeed({
        ffmpegVersion: "7.1.5",
        devices: [{ device: "0", vendor: "nvidia", name: "NVIDIA L4", driver: "570.133.20" }],
        decoders: ["h264"],
        encoders: [libx264],
        refused: [{ encoder: nvenc, reason: "Cannot load libnvidia-encode.so.1" }]
      })
    })
  ),
  Layer.merge(WorkerState.layer),
  Layer.merge(Layer.mock(Workspace)({ space: Effect.succeed({ free: 3e9, size: 8e9 }) }))
)

/** A port that was free a moment ago. */
const freePort = Effect.callback<number>((resume) => {
  const server = createServer().listen(0, () => {
    const address = server.address()
    const port = typeof address === "object" && address !== null ? address.port : 0
    server.close(() => resume(Effect.succeed(port)))
  })
})

const folderWith = (programs: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const folder = await mkdtemp(join(tmpdir(), "vlog-ops-"))
      for (const program of programs) {
        await writeFile(join(folder, program), "#!/bin/sh\n")
        await chmod(join(folder, program), 0o755)
      }
      return folder
    }),
    (folder) => Effect.promise(() => rm(folder, { recursive: true, force: true }))
  )

const confinement = { sandbox: "none", reason: "bubblewrap: bwrap is not installed" }

const serving = <A, E>(
  use: (get: (path: string) => Effect.Effect<Response>) => Effect.Effect<A, E, WorkerState | Encoders>,
  options: { readonly programs?: ReadonlyArray<string>; readonly address?: string } = {}
) =>
  Effect.gen(function* () {
    const port = yield* freePort
    const path = yield* folderWith(options.programs ?? ["ffmpeg", "ffprobe"])
    const address = options.address ?? "http://api:9002"
    const server = Ops.layer({ version: "1.2.3", address, port, path, confinement }).pipe(
      Layer.provide(Gauges.layer("1.2.3")),
      Layer.provideMerge(machine)
    )
    const get = (path: string) => Effect.promise(() => fetch(`http://127.0.0.1:${port}${path}`))
    return yield* Effect.provide(use(get), server)
  }).pipe(Effect.scoped)

const json = (response: Response) => Effect.promise(() => response.json() as Promise<Record<string, unknown>>)

const discovered = Effect.flatMap(Encoders, ({ discover }) => discover)

const connected = Effect.andThen(
  discovered,
  WorkerState.update(() => ({ phase: "working", room: 2, connected: true }))
)

describe("a worker's own server", () => {
  it.live("says that it lives, also while the API is away", () =>
    serving((get) =>
      Effect.gen(function* () {
        const response = yield* get("/health")
        assert.strictEqual(response.status, 200)
        assert.strictEqual((yield* json(response))["status"], "healthy")
      })
    )
  )

  it.live("tells for how long the event loop was held up, once", () =>
    serving((get) =>
      Effect.gen(function* () {
        yield* get("/health")
        yield* Effect.sleep("50 millis")
        yield* Effect.sync(() => {
          const end = performance.now() + 400
          while (performance.now() < end);
        })
        yield* Effect.sleep("50 millis")
        const held = yield* json(yield* get("/health"))
        assert.isAtLeast(Number(held["event_loop_lag_ms"]), 300)
        const after = yield* json(yield* get("/health"))
        assert.isBelow(Number(after["event_loop_lag_ms"]), Number(held["event_loop_lag_ms"]))
      })
    )
  )

  it.live("is ready once a heartbeat was answered, and not while draining", () =>
    serving((get) =>
      Effect.gen(function* () {
        yield* discovered
        const before = yield* get("/ready")
        assert.strictEqual(before.status, 503)
        assert.deepStrictEqual(yield* json(before), {
          status: "not_ready",
          checks: { ffmpeg: true, api_connected: false }
        })
        yield* connected
        const ready = yield* get("/ready")
        assert.strictEqual(ready.status, 200)
        assert.deepStrictEqual(yield* json(ready), { status: "ready", checks: { ffmpeg: true, api_connected: true } })
        yield* WorkerState.update(() => ({ connected: false }))
        assert.strictEqual((yield* get("/ready")).status, 503)
        yield* WorkerState.update(() => ({ connected: true, phase: "draining" }))
        assert.strictEqual((yield* get("/ready")).status, 503)
      })
    )
  )

  it.live("is not ready any more when no encoder works any more", () =>
    serving((get) =>
      Effect.gen(function* () {
        yield* connected
        yield* (yield* Encoders).refuse(libx264, "ffmpeg was killed by SIGSEGV")
        const response = yield* get("/ready")
        assert.strictEqual(response.status, 503)
        assert.deepInclude(yield* json(response), { checks: { ffmpeg: false, api_connected: true } })
      })
    )
  )

  it.live("is not ready before its encoders were tried", () =>
    serving((get) =>
      Effect.gen(function* () {
        yield* WorkerState.update(() => ({ connected: true }))
        const early = yield* get("/ready")
        assert.strictEqual(early.status, 503)
        assert.deepStrictEqual(yield* json(early), {
          status: "not_ready",
          checks: { ffmpeg: false, api_connected: true }
        })
        assert.notProperty(yield* json(yield* get("/")), "encoders")
        assert.strictEqual((yield* get("/metrics")).status, 200)
        yield* connected
        assert.strictEqual((yield* get("/ready")).status, 200)
      })
    )
  )

  it.live("is not ready without an ffmpeg on its PATH", () =>
    serving(
      (get) =>
        Effect.gen(function* () {
          yield* connected
          const response = yield* get("/ready")
          assert.strictEqual(response.status, 503)
          assert.deepStrictEqual(yield* json(response), {
            status: "not_ready",
            checks: { ffmpeg: false, api_connected: true }
          })
        }),
      { programs: ["ffprobe"] }
    )
  )

  it.live("says what it can and cannot do and why, and where its API is", () =>
    serving(
      (get) =>
        Effect.gen(function* () {
          yield* connected
          assert.deepStrictEqual(yield* json(yield* get("/")), {
            service: "vlog-worker",
            version: "1.2.3",
            api_url: "https://api.example:9002/base",
            api_connected: true,
            phase: "working",
            tasks: 0,
            tasks_max: 2,
            ffmpeg_version: "7.1.5",
            ffmpeg_sandbox: "none",
            ffmpeg_sandbox_reason: "bubblewrap: bwrap is not installed",
            devices: [{ device: "0", vendor: "nvidia", name: "NVIDIA L4", driver: "570.133.20" }],
            decoders: ["h264"],
            encoders: ["libx264"],
            refused_encoders: [{ encoder: "h264_nvenc on 0", reason: "Cannot load libnvidia-encode.so.1" }]
          })
        }),
      { address: "https://api.example:9002/base" }
    )
  )

  it.live("counts for Prometheus, from nought", () =>
    serving((get) =>
      Effect.gen(function* () {
        yield* touchMetrics
        yield* discovered
        yield* WorkerState.update(() => ({ tasks: 2, room: 3 }))
        const response = yield* get("/metrics")
        assert.include(response.headers.get("content-type"), "version=0.0.4")
        const text = yield* Effect.promise(() => response.text())
        for (const line of [
          "# TYPE vlog_worker_tasks_total counter",
          "# TYPE vlog_worker_tasks_active gauge",
          "vlog_worker_tasks_active 2",
          "vlog_worker_tasks_max 3",
          "vlog_worker_api_connected 0",
          'vlog_worker_encoders{backend="software"} 1',
          'vlog_worker_encoders{backend="nvenc"} 0',
          'vlog_worker_encoder_failures_total{encoder="h264_nvenc"} 0',
          'vlog_worker_tasks_total{outcome="failed",reason="device"} 0',
          'vlog_worker_step_seconds_count{step="encode"} 0',
          'vlog_worker_phase{phase="starting"} 1',
          "vlog_worker_disk_free_bytes 3000000000",
          "# TYPE process_cpu_seconds_total counter",
          'vlog_info{program="worker",version="1.2.3"} 1'
        ]) {
          assert.include(text.split("\n"), line)
        }
      })
    )
  )

  it.live("says which port is taken, and by which setting it is chosen", () =>
    Effect.gen(function* () {
      const port = yield* freePort
      const options = { version: "1.2.3", address: "http://api:9002", port, confinement }
      const server = () =>
        Layer.build(Layer.fresh(Ops.layer(options)).pipe(Layer.provide(Gauges.layer("1.2.3")), Layer.provide(machine)))
      yield* server()
      const error = yield* Effect.flip(server())
      assert.strictEqual(
        error.message,
        `Port ${port} is already in use: stop the program that listens there, or set VLOG_WORKER_HEALTH_PORT to another port or to "off"`
      )
    }).pipe(Effect.scoped)
  )
})

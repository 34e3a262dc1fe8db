import { assert, describe, it } from "@effect/vitest"
import { Cause, Clock, Duration, Effect, Exit, Fiber, Option, Stream, SubscriptionRef } from "effect"
import type { FailureReason } from "../../../src/domain/jobs/FailureReason.ts"
import { TestClock } from "effect/testing"
import { SourceRejected } from "../../../src/domain/media/Source.ts"
import type { FileDigest } from "../../../src/domain/media/Segment.ts"
import { ProbeUnavailable } from "../../../src/domain/ports/MediaProbe.ts"
import { TranscodeFailed } from "../../../src/domain/ports/Transcoder.ts"
import { ApiRefused, ApiUnavailable, LeaseLost, type WorkerApi } from "../../../src/domain/ports/WorkerApi.ts"
import { WorkspaceError } from "../../../src/domain/ports/Workspace.ts"
import { greet } from "../../../src/domain/programs/Introduce.ts"
import { work } from "../../../src/domain/programs/Work.ts"
import type { Capabilities } from "../../../src/domain/workers/Capabilities.ts"
import { Encoders } from "../../../src/domain/workers/Encoders.ts"
import { WorkerState } from "../../../src/domain/workers/WorkerState.ts"
import { source } from "../support/sources.ts"
import { type Call, capable, claimedTask, makeWorker, workSettings } from "../support/worker.ts"

// What may go on after the signal is in Drain.test.ts.
const settings = {
  ...workSettings,
  pollEvery: Duration.seconds(5),
  reportEvery: Duration.seconds(10),
  drainFor: Duration.zero
}

const software = { name: "libx264", codec: "h264", backend: "software", device: null } as const

type Options = NonNullable<Parameters<typeof makeWorker>[0]>
type Claim = WorkerApi["Service"]["claim"]

/** Each claim in turn; after that there is nothing to do. */
const claims = (...script: ReadonlyArray<Claim>): Claim => {
  const left = [...script]
  return Effect.suspend(() => left.shift() ?? Effect.succeedNone)
}

const aTask = Effect.succeedSome({ task: claimedTask(), leaseSeconds: 90 })
const unreachable = new ApiUnavailable({ problem: "connection refused" })
const lost = new LeaseLost({ problem: "taken over" })

/** A worker that works beside the test. */
const working = Effect.fnUntraced(function* (options: Options, own: Partial<Parameters<typeof work>[0]> = {}) {
  const worker = makeWorker(options)
  const began = yield* Clock.currentTimeMillis
  let state: WorkerState["Service"]
  let encoders: Encoders["Service"]
  const fiber = yield* Effect.gen(function* () {
    state = yield* WorkerState
    encoders = yield* Encoders
    return yield* work({ ...settings, ...own }, yield* greet)
  }).pipe(Effect.scoped, Effect.provide(worker.layer), Effect.forkChild)
  // It comes to where it waits before time passes.
  yield* TestClock.adjust(Duration.zero)
  return {
    ...worker,
    fiber,
    times: (name: Call["name"]) => worker.called(name).map((call) => call.at - began / 1000),
    activity: Effect.suspend(() => SubscriptionRef.get(state)),
    capabilities: Effect.suspend(() => encoders.capabilities)
  }
})

/** A worker that is given one task, and as long as it may need. */
const attempting = Effect.fnUntraced(function* ({ api, ...options }: Options = {}) {
  const worker = yield* working({ ...options, api: { claim: claims(aTask), ...api } })
  yield* TestClock.adjust("10 minutes")
  return worker
})

const failures = (worker: { readonly called: (name: Call["name"]) => ReadonlyArray<Call> }) =>
  worker.called("fail").map((call) => call.argument as Parameters<WorkerApi["Service"]["fail"]>[1])

const silent = ["complete", "fail", "release"] as const

describe("an attempt that succeeds", () => {
  it.effect("uploads every file, then completes with all of them, and tells of no failure", () =>
    Effect.gen(function* () {
      const worker = yield* attempting()
      const uploaded = worker.called("upload").map((call) => call.argument as FileDigest)
      // Three sizes and the sound of 10 s: an init segment and three others each. And the poster.
      assert.lengthOf(uploaded, 4 * 4 + 1)
      const [complete, ...more] = worker.called("complete")
      assert.isEmpty(more)
      const output = complete?.argument as Parameters<WorkerApi["Service"]["complete"]>[1]
      const names = (files: ReadonlyArray<FileDigest>) =>
        files.map((file) => `${file.rendition}/${file.name}`).toSorted()
      assert.deepStrictEqual(names(output.files), names(uploaded))
      assert.deepStrictEqual(output.facts, { duration: 10, width: 1280, height: 720 })
      assert.deepStrictEqual(
        output.presentation.video.map((track) => String(track.name)),
        ["720p", "480p", "360p"]
      )
      assert.isAbove(worker.calls.indexOf(complete!), worker.calls.indexOf(worker.called("upload").at(-1)!))
      assert.isEmpty([...worker.called("fail"), ...worker.called("release")])
      assert.deepStrictEqual(worker.notes, ["opened", "encoding", "stopped", "removed"])
    })
  )

  it.effect("tells how far it is while it goes on, and keeps its lease for longer than that lasts", () =>
    Effect.gen(function* () {
      const worker = yield* attempting({ encodeSeconds: 11 })
      assert.lengthOf(worker.called("complete"), 1)
      assert.isAbove(worker.times("complete")[0]!, 90)
      assert.isAtLeast(worker.called("renew").length, 15)
      const { progress } = worker.called("renew")[5]!.argument as Parameters<WorkerApi["Service"]["renew"]>[1]
      assert.strictEqual(progress.step, "transcode")
      // Half of the frames, on the way from 10 to 97 per cent.
      assert.strictEqual(progress.percent, 53)
      assert.deepInclude(progress.renditions[0], { percent: 50, speed: 2, secondsLeft: 2.5 })
      assert.isBelow(worker.times("renew").at(-1)!, worker.times("complete")[0]!)
    })
  )
})

describe("an attempt that fails", () => {
  const cases: ReadonlyArray<{
    readonly name: string
    readonly options: Options
    readonly told: { error: string; reason: FailureReason; retry: boolean; stderr?: string }
  }> = [
    {
      name: "on a source that the probe rejects fails for good",
      options: { probe: () => new SourceRejected({ problem: "Not a video", remedy: "Upload another" }) },
      told: { error: "Not a video. Upload another", reason: "source", retry: false }
    },
    {
      name: "on a source without pictures fails for good",
      options: { probe: () => Effect.succeed(source({ frames: 0 })) },
      told: { error: "The file has no pictures in it. Upload a video that plays", reason: "source", retry: false }
    },
    {
      name: "on a source that cannot be decoded fails for good",
      options: {
        transcode: () => Stream.fail(new TranscodeFailed({ reason: "source", problem: "Broken", details: "" }))
      },
      told: { error: "Broken", reason: "source", retry: false }
    },
    {
      name: "on a crash is worth another try, and says what ffmpeg wrote",
      options: {
        transcode: () =>
          Stream.fail(new TranscodeFailed({ reason: "crashed", problem: "Killed", details: "line 1\nline 2" }))
      },
      told: { error: "Killed", reason: "crashed", retry: true, stderr: "line 1\nline 2" }
    },
    ...(["device", "resources", "stalled"] as const).map((reason) => ({
      name: `on a lack of ${reason} is worth another try`,
      options: { transcode: () => Stream.fail(new TranscodeFailed({ reason, problem: "No", details: "" })) },
      told: { error: "No", reason, retry: true }
    })),
    {
      name: "on a probe that cannot be run is worth another try",
      options: { probe: () => new ProbeUnavailable({ problem: "ffprobe is not there" }) },
      told: { error: "ffprobe is not there", reason: "probe", retry: true }
    },
    {
      name: "on a full disk is worth another try",
      options: { digest: () => new WorkspaceError({ problem: "No space left" }) },
      told: { error: "No space left", reason: "resources", retry: true }
    },
    {
      name: "on an upload that the API refuses is worth another try",
      options: { api: { upload: () => new ApiRefused({ status: 413, problem: "Too large" }) } },
      told: { error: "Too large", reason: "refused", retry: true }
    },
    {
      name: "on a completion that the API refuses is worth another try",
      options: { api: { complete: () => new ApiRefused({ status: 422, problem: "Not complete" }) } },
      told: { error: "Not complete", reason: "refused", retry: true }
    }
  ]

  for (const { name, options, told } of cases) {
    it.effect(name, () =>
      Effect.gen(function* () {
        const worker = yield* attempting(options)
        assert.deepEqual(failures(worker), [{ stderr: null, notes: [], ...told }])
        assert.isEmpty(worker.called("release"))
        assert.strictEqual(worker.notes.at(-1), "removed")
      })
    )
  }

  it.effect("to make every frame does not complete", () =>
    Effect.gen(function* () {
      const worker = yield* attempting({ lost: ["480p/seg_00002.m4s"] })
      assert.isEmpty(worker.called("complete"))
      const [told] = failures(worker)
      assert.strictEqual(told?.error, "The output is not complete: 480p has 200 frames instead of 250")
      assert.isTrue(told?.retry)
    })
  )

  it.effect("to make all of the sound does not complete", () =>
    Effect.gen(function* () {
      const worker = yield* attempting({ lost: ["audio-0/seg_00002.m4s"] })
      assert.isEmpty(worker.called("complete"))
      assert.include(failures(worker)[0]?.error, "audio-0 lasts 8.00 s, but the source lasts 10.00 s")
    })
  )

  it.effect("by a defect is worth another try, and does not end the worker", () =>
    Effect.gen(function* () {
      const worker = yield* attempting({ probe: () => Effect.die(new Error("a bug")) })
      assert.include(failures(worker)[0]?.error, "a bug")
      assert.isTrue(failures(worker)[0]?.retry)
      assert.isUndefined(worker.fiber.pollUnsafe())
    })
  )

  it.effect("and cannot say so leaves the worker at work", () =>
    Effect.gen(function* () {
      const worker = yield* attempting({
        probe: () => new ProbeUnavailable({ problem: "no" }),
        api: { claim: claims(aTask, aTask), fail: () => unreachable }
      })
      assert.lengthOf(worker.called("fail"), 2)
      assert.isAbove(worker.called("claim").length, 10)
    })
  )

  it.effect("because the API went away is given back", () =>
    Effect.gen(function* () {
      const worker = yield* attempting({ api: { upload: () => unreachable } })
      assert.lengthOf(worker.called("release"), 1)
      assert.isEmpty(worker.called("fail"))
    })
  )
})

describe("an attempt whose lease is lost", () => {
  it.effect(
    "ends as soon as a heartbeat's answer says that its job was cancelled, while renewals are still granted",
    () =>
      Effect.gen(function* () {
        const cancelled = { welcome: true, cancelled: [claimedTask().leaseId] }
        const began = yield* Clock.currentTimeMillis
        const heartbeat = () =>
          Effect.map(Clock.currentTimeMillis, (now) =>
            now - began < 45_000 ? { welcome: true, cancelled: [] } : cancelled
          )
        const worker = yield* working({ api: { claim: claims(aTask), heartbeat }, encodeSeconds: 60 })
        yield* TestClock.adjust("44 seconds")
        assert.deepStrictEqual(worker.notes, ["opened", "encoding"])
        yield* TestClock.adjust("31 seconds")
        assert.deepStrictEqual(worker.notes, ["opened", "encoding", "stopped", "removed"])
        for (const name of silent) assert.isEmpty(worker.called(name))
      })
  )

  it.effect("ends when the API says so, stops its encoder and tells nobody", () =>
    Effect.gen(function* () {
      const worker = yield* working({ api: { claim: claims(aTask), renew: () => lost }, encodeSeconds: 60 })
      yield* TestClock.adjust("9 seconds")
      assert.deepStrictEqual(worker.notes, ["opened", "encoding"])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(worker.notes, ["opened", "encoding", "stopped", "removed"])
      yield* TestClock.adjust("10 minutes")
      for (const name of silent) assert.isEmpty(worker.called(name), name)
    })
  )

  it.effect("ends before another worker can start when the API is not heard of, and gives the task back", () =>
    Effect.gen(function* () {
      const worker = yield* working({ api: { claim: claims(aTask), renew: () => Effect.never }, encodeSeconds: 600 })
      yield* TestClock.adjust("80 seconds")
      assert.deepStrictEqual(worker.notes, ["opened", "encoding"])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(worker.notes, ["opened", "encoding", "stopped", "removed"])
      yield* TestClock.adjust("10 minutes")
      assert.isEmpty([...worker.called("complete"), ...worker.called("fail")])
      assert.deepStrictEqual(worker.times("release"), [81])
    })
  )

  it.effect("during an upload tells nobody", () =>
    Effect.gen(function* () {
      const worker = yield* attempting({ api: { upload: () => lost } })
      for (const name of silent) assert.isEmpty(worker.called(name), name)
    })
  )

  it.effect("is followed by the next task", () =>
    Effect.gen(function* () {
      let uploads = 0
      const worker = yield* attempting({
        api: {
          claim: claims(aTask, Effect.succeedSome({ task: claimedTask(2), leaseSeconds: 90 })),
          upload: () => (++uploads === 1 ? lost : Effect.void)
        }
      })
      assert.lengthOf(worker.called("complete"), 1)
    })
  )
})

describe("a worker that is told to stop", () => {
  it.effect("gives its task back, once, and stops its encoder first", () =>
    Effect.gen(function* () {
      let notes: ReadonlyArray<string> = []
      let atRelease: ReadonlyArray<string> = []
      const release = () => Effect.sync(() => void (atRelease = [...notes]))
      const worker = yield* working({ api: { claim: claims(aTask), release }, encodeSeconds: 60 })
      notes = worker.notes
      yield* TestClock.adjust("15 seconds")
      yield* Fiber.interrupt(worker.fiber)
      const exit = yield* Fiber.await(worker.fiber)
      assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
      assert.deepStrictEqual(
        worker.called("release").map((call) => call.argument),
        [claimedTask()]
      )
      assert.deepStrictEqual(atRelease, ["opened", "encoding", "stopped", "removed"])
      assert.isEmpty([...worker.called("fail"), ...worker.called("complete")])
      const calls = worker.calls.length
      yield* TestClock.adjust("1 hour")
      assert.lengthOf(worker.calls, calls)
    })
  )

  it.effect("ends although the API does not answer when the task is given back", () =>
    Effect.gen(function* () {
      const worker = yield* working({ api: { claim: claims(aTask), release: () => Effect.never }, encodeSeconds: 60 })
      yield* TestClock.adjust("15 seconds")
      const stopping = yield* Effect.forkChild(Fiber.interrupt(worker.fiber))
      yield* TestClock.adjust("5 seconds")
      assert.isDefined(stopping.pollUnsafe())
      assert.lengthOf(worker.called("release"), 1)
    })
  )

  it.effect("ends although the API does not answer when it is told of a failure", () =>
    Effect.gen(function* () {
      const worker = yield* working({
        api: { claim: claims(aTask), fail: () => Effect.never },
        probe: () => new ProbeUnavailable({ problem: "no" })
      })
      yield* TestClock.adjust("1 second")
      assert.lengthOf(worker.called("fail"), 1)
      const stopping = yield* Effect.forkChild(Fiber.interrupt(worker.fiber))
      yield* TestClock.adjust("5 seconds")
      assert.isDefined(stopping.pollUnsafe())
    })
  )

  it.effect("ends although the API does not answer when it is asked for a task", () =>
    Effect.gen(function* () {
      const worker = yield* working({ api: { claim: Effect.never } })
      const stopping = yield* Effect.forkChild(Fiber.interrupt(worker.fiber))
      yield* TestClock.adjust("4 seconds")
      assert.isUndefined(stopping.pollUnsafe())
      yield* TestClock.adjust("1 second")
      assert.isDefined(stopping.pollUnsafe())
    })
  )

  it.effect("gives back the task that it is granted just then", () =>
    Effect.gen(function* () {
      const worker = yield* working({ api: { claim: Effect.delay(aTask, "4 seconds") }, encodeSeconds: 60 })
      yield* TestClock.adjust("1 second")
      const stopping = yield* Effect.forkChild(Fiber.interrupt(worker.fiber))
      yield* TestClock.adjust("10 seconds")
      assert.isDefined(stopping.pollUnsafe())
      assert.deepStrictEqual(worker.times("release"), [4])
    })
  )

  it.effect("has nothing to give back between two tasks", () =>
    Effect.gen(function* () {
      const worker = yield* working({})
      yield* TestClock.adjust("17 seconds")
      yield* Fiber.interrupt(worker.fiber)
      assert.isEmpty(worker.called("release"))
    })
  )
})

describe("a worker that starts", () => {
  it.effect("waits for an API that is not there, more patiently each time, but at least each 15 seconds", () =>
    Effect.gen(function* () {
      let left = 6
      const worker = yield* working({
        api: { heartbeat: () => (left-- > 0 ? unreachable : Effect.succeed({ welcome: true, cancelled: [] })) }
      })
      yield* TestClock.adjust("44 seconds")
      assert.deepStrictEqual(worker.times("heartbeat"), [0, 1, 3, 7, 15, 30])
      assert.isEmpty(worker.called("claim"))
      assert.strictEqual((yield* worker.activity).phase, "starting")
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(worker.times("heartbeat").slice(6), [45, 45])
      assert.deepStrictEqual(worker.times("claim"), [45])
      assert.deepStrictEqual(yield* worker.activity, {
        phase: "working",
        tasks: 0,
        room: 1,
        connected: true,
        cancelled: []
      })
    })
  )

  it.effect("gives up at once when the API does not want it", () =>
    Effect.gen(function* () {
      const worker = yield* working({
        api: { heartbeat: () => new ApiRefused({ status: 401, problem: "unknown key" }) }
      })
      yield* TestClock.adjust("1 minute")
      const error = yield* Effect.flip(Fiber.join(worker.fiber))
      assert.strictEqual(error._tag, "ApiRefused")
      assert.lengthOf(worker.called("heartbeat"), 1)
      assert.isEmpty(worker.called("claim"))
    })
  )

  it.effect("gives up when the API comes and does not want it", () =>
    Effect.gen(function* () {
      let asked = 0
      const worker = yield* working({
        api: {
          heartbeat: () => (++asked === 1 ? unreachable : new ApiRefused({ status: 403, problem: "disabled" }))
        }
      })
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* Effect.flip(Fiber.join(worker.fiber)))._tag, "ApiRefused")
      assert.lengthOf(worker.called("heartbeat"), 2)
    })
  )
})

describe("a machine on which nothing works", () => {
  it.effect("ends the worker at its start, who says why", () =>
    Effect.gen(function* () {
      const refused = [{ encoder: software, reason: "Unknown encoder" }]
      const worker = yield* working({ detect: Effect.succeed({ ...capable([]), refused }) })
      const error = yield* Effect.flip(Fiber.join(worker.fiber))
      assert.strictEqual(error.message, "No encoder works on this machine:\n  - libx264: Unknown encoder")
      assert.isEmpty(worker.called("claim"))
    })
  )

  it.effect("any more costs one task an attempt, and the others none until it is mended", () =>
    Effect.gen(function* () {
      let mended = false
      const worker = yield* working({
        api: { claim: claims(aTask, aTask, aTask) },
        transcode: () =>
          Stream.fail(new TranscodeFailed({ reason: "crashed", problem: "ffmpeg is not there", details: "" })),
        tryOut: () =>
          mended ? Effect.void : new TranscodeFailed({ reason: "device", problem: "ffmpeg is not there", details: "" })
      })
      yield* TestClock.adjust("4 minutes")
      assert.deepStrictEqual(worker.times("claim"), [0])
      assert.lengthOf((yield* worker.capabilities)?.encoders ?? [software], 0)
      mended = true
      yield* TestClock.adjust("70 seconds")
      assert.isAtLeast(worker.called("claim").length, 2)
    })
  )

  it.effect("goes on with the next task after one that only this task made fail", () =>
    Effect.gen(function* () {
      const worker = yield* working({
        api: { claim: claims(aTask) },
        probe: () => new ProbeUnavailable({ problem: "killed" })
      })
      yield* TestClock.adjust("11 seconds")
      assert.deepStrictEqual(worker.times("claim"), [0, 5, 10])
    })
  )
})

describe("a worker at work", () => {
  it.effect("asks for a task at the asked pace while there is none", () =>
    Effect.gen(function* () {
      const worker = yield* working({})
      yield* TestClock.adjust("12 seconds")
      assert.deepStrictEqual(worker.times("claim"), [0, 5, 10])
    })
  )

  it.effect("asks for the next task at once when it has done one", () =>
    Effect.gen(function* () {
      // Sixteen files, a second each.
      const worker = yield* working({ api: { claim: claims(aTask, aTask) }, encodeSeconds: 1 })
      yield* TestClock.adjust("40 seconds")
      assert.deepStrictEqual(worker.times("claim"), [0, 16, 32, 37])
      assert.lengthOf(worker.called("complete"), 2)
    })
  )

  it.effect("pauses after a task that failed, and does not use up the attempts of one after the other", () =>
    Effect.gen(function* () {
      const worker = yield* working({
        api: { claim: claims(aTask, aTask, aTask) },
        probe: () => new ProbeUnavailable({ problem: "the disk is full" })
      })
      yield* TestClock.adjust("12 seconds")
      assert.deepStrictEqual(worker.times("claim"), [0, 5, 10])
      assert.lengthOf(worker.called("fail"), 3)
    })
  )

  it.effect("does one task at a time", () =>
    Effect.gen(function* () {
      const worker = yield* working({ api: { claim: claims(aTask, aTask) }, encodeSeconds: 10 })
      yield* TestClock.adjust("60 seconds")
      assert.lengthOf(worker.called("claim"), 1)
      assert.strictEqual((yield* worker.activity).tasks, 1)
    })
  )

  it.effect("goes on asking an API that cannot answer or will not", () =>
    Effect.gen(function* () {
      const refused = new ApiRefused({ status: 500, problem: "broken" })
      const worker = yield* working({ api: { claim: claims(unreachable, refused, unreachable, aTask) } })
      yield* TestClock.adjust("16 seconds")
      assert.deepStrictEqual(worker.times("claim").slice(0, 4), [0, 5, 10, 15])
      assert.lengthOf(worker.called("complete"), 1)
    })
  )

  it.effect("says regularly that it is alive, and whether it is busy", () =>
    Effect.gen(function* () {
      // Sixteen files, five seconds each.
      const worker = yield* working({ api: { claim: claims(aTask) }, encodeSeconds: 5 })
      yield* TestClock.adjust("125 seconds")
      assert.deepStrictEqual(worker.times("heartbeat"), [0, 0, 30, 60, 90, 120])
      const statuses = worker.called("heartbeat").map((call) => (call.argument as { readonly status: string }).status)
      assert.deepStrictEqual(statuses, ["idle", "idle", "busy", "busy", "idle", "idle"])
      assert.strictEqual((yield* worker.activity).tasks, 0)
    })
  )

  it.effect("knows that it is cut off, goes on, and knows when it is not", () =>
    Effect.gen(function* () {
      let beats = 0
      const worker = yield* working({
        api: { heartbeat: () => (++beats === 3 ? unreachable : Effect.succeed({ welcome: true, cancelled: [] })) }
      })
      yield* TestClock.adjust("31 seconds")
      assert.isFalse((yield* worker.activity).connected)
      yield* TestClock.adjust("30 seconds")
      assert.isTrue((yield* worker.activity).connected)
    })
  )

  it.effect("first says that it is there, then what it can do, and only then asks for work", () =>
    Effect.gen(function* () {
      const worker = yield* working({ trialSeconds: 40 })
      yield* TestClock.adjust("39 seconds")
      const told = () =>
        worker
          .called("heartbeat")
          .map((call) => (call.argument as { readonly capabilities: Capabilities | null }).capabilities)
      assert.deepStrictEqual(told(), [null, null])
      assert.isEmpty(worker.called("claim"))
      assert.strictEqual((yield* worker.activity).phase, "starting")
      yield* TestClock.adjust("1 second")
      assert.strictEqual(told().at(-1)?.ffmpegVersion, "7.1")
      assert.deepStrictEqual(worker.times("claim"), [40])
      assert.strictEqual((yield* worker.activity).phase, "working")
    })
  )

  it.effect("does not wait for an answer before it gets to know its machine", () =>
    Effect.gen(function* () {
      let answered = false
      const heartbeat = () =>
        Effect.suspend(() => (answered ? Effect.succeed({ welcome: true, cancelled: [] }) : Effect.never)).pipe(
          Effect.delay("1 second")
        )
      const worker = yield* working({ api: { heartbeat }, trialSeconds: 1 })
      yield* TestClock.adjust("4 seconds")
      assert.isNotNull(yield* worker.capabilities)
      answered = true
    })
  )

  it.effect("ends where there is nothing to encode with", () =>
    Effect.gen(function* () {
      const missing = new TranscodeFailed({ reason: "device", problem: "no ffmpeg. Install it", details: "" })
      const worker = yield* working({ detect: Effect.fail(missing) })
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(yield* Effect.flip(Fiber.join(worker.fiber)), missing)
    })
  )

  it.effect("works on as many tasks at once as it is told, and gives all of them back", () =>
    Effect.gen(function* () {
      let claimed = 0
      const claim = Effect.sync(() => Option.some({ task: claimedTask(++claimed), leaseSeconds: 90 }))
      const worker = yield* working({ api: { claim }, encodeSeconds: 10 }, { concurrency: 3 })
      yield* TestClock.adjust("60 seconds")
      assert.lengthOf(worker.called("claim"), 3)
      assert.deepInclude(yield* worker.activity, { tasks: 3, room: 3 })
      // Seventeen files of ten seconds each: three have ended, and three others have begun.
      yield* TestClock.adjust("150 seconds")
      assert.lengthOf(worker.called("complete"), 3)
      assert.lengthOf(worker.called("claim"), 6)
      yield* Fiber.interrupt(worker.fiber)
      assert.lengthOf(worker.called("release"), 3)
      assert.strictEqual((yield* worker.activity).tasks, 0)
    })
  )

  it.effect("asks no more often for having room for many", () =>
    Effect.gen(function* () {
      const worker = yield* working({}, { concurrency: 4 })
      yield* TestClock.adjust("16 seconds")
      assert.deepStrictEqual(worker.times("claim"), [0, 5, 10, 15])
    })
  )

  it.effect("goes on with its other tasks when one fails", () =>
    Effect.gen(function* () {
      let claimed = 0
      const claim = Effect.sync(() =>
        claimed < 2 ? Option.some({ task: claimedTask(++claimed), leaseSeconds: 90 }) : Option.none()
      )
      const download: WorkerApi["Service"]["download"] = ({ taskId }) =>
        taskId === claimedTask(1).taskId ? new WorkspaceError({ problem: "broken disk" }) : Effect.void
      const worker = yield* working({ api: { claim, download } }, { concurrency: 2 })
      yield* TestClock.adjust("20 seconds")
      assert.lengthOf(worker.called("fail"), 1)
      assert.lengthOf(worker.called("complete"), 1)
    })
  )

  it.effect("asks for nothing that is not there", () =>
    Effect.gen(function* () {
      const worker = yield* working({})
      yield* TestClock.adjust("2 minutes")
      for (const name of ["renew", "download", "upload", ...silent] as const) assert.isEmpty(worker.called(name), name)
      assert.isTrue(Option.isNone(yield* claims()))
    })
  )

  it.effect("that is to work once ends with its first task, however that goes", () =>
    Effect.gen(function* () {
      for (const probe of [undefined, () => new SourceRejected({ problem: "no pictures", remedy: "Upload another" })]) {
        const worker = yield* working(
          { api: { claim: claims(aTask, aTask) }, ...(probe === undefined ? {} : { probe }) },
          { once: true }
        )
        yield* TestClock.adjust("1 minute")
        assert.isTrue(Exit.isSuccess(yield* Fiber.await(worker.fiber)))
        assert.lengthOf(worker.called("claim"), 1)
      }
    })
  )

  it.effect("that is to work once ends where there is nothing to do", () =>
    Effect.gen(function* () {
      const worker = yield* working({}, { once: true })
      yield* TestClock.adjust("1 second")
      assert.isTrue(Exit.isSuccess(yield* Fiber.await(worker.fiber)))
    })
  )
})

/** A worker whose task was begun by another. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Ref } from "effect"
import * as Progress from "../../../src/domain/jobs/Progress.ts"
import type { FileDigest, MadeFile, RegisteredFile } from "../../../src/domain/media/Segment.ts"
import { initName, segmentName } from "../../../src/domain/media/Segment.ts"
import { wholeSource } from "../../../src/domain/media/TranscodePlan.ts"
import type { TranscodePlan } from "../../../src/domain/media/TranscodePlan.ts"
import type { AttemptReport } from "../../../src/domain/programs/AttemptReport.ts"
import { transcodeTask } from "../../../src/domain/programs/TranscodeTask.ts"
import { Encoders } from "../../../src/domain/workers/Encoders.ts"
import { leaseId, sha256 } from "../support/ids.ts"
import { source } from "../support/sources.ts"
import { claimedTask, digestOfFirst, makeWorker } from "../support/worker.ts"

const encoder = { name: "libx264", codec: "h264", backend: "software", device: null } as const

/** Segments of 100, 100 and 50 pictures. */
const plan: TranscodePlan = wholeSource(source(), { encoder })

/** Init segments are told apart by the rendition, other files by nothing. */
const shaOf = ({ name, rendition }: { readonly name: string; readonly rendition: string }) =>
  sha256(name === initName ? 10 + plan.video.findIndex((own) => own.name === rendition) : 99)

/** More was read of the source with each segment, and of what makes the second the whole. */
const prefixes = [
  { bytes: 1000, sha256: digestOfFirst(1000) },
  { bytes: claimedTask().source.bytes, sha256: claimedTask().source.sha256! }
]

const left = (changed: boolean): ReadonlyArray<RegisteredFile> =>
  plan.video.flatMap(({ height, name: rendition, width }) => [
    {
      rendition,
      name: initName,
      bytes: 1000,
      sha256: changed ? sha256(77) : shaOf({ rendition, name: initName }),
      prefix: prefixes[0]!,
      facts: { _tag: "VideoInit" as const, codecs: "avc1.64001f", timescale: 25, width, height }
    },
    ...[0, 1].map((index) => ({
      rendition,
      name: segmentName(index),
      bytes: 1000,
      sha256: sha256(index),
      prefix: prefixes[index]!,
      facts: {
        _tag: "MediaSegment" as const,
        decodeTime: index * 100,
        duration: 100,
        samples: 100,
        startsWithKeyframe: true
      }
    }))
  ])

const run = Effect.fnUntraced(function* (files: ReadonlyArray<RegisteredFile>) {
  const worker = makeWorker({
    api: { begin: () => Effect.succeedSome({ lease: leaseId(9), files }) },
    digest: ({ name, rendition }) =>
      Effect.succeed({ rendition, name, bytes: 1000, sha256: shaOf({ rendition, name }) })
  })
  const report = yield* Ref.make<AttemptReport>({ progress: Progress.none, facts: null })
  const notes = yield* Ref.make<ReadonlyArray<string>>([])
  yield* Effect.gen(function* () {
    yield* (yield* Encoders).discover
    yield* transcodeTask({
      task: claimedTask(),
      codec: "h264",
      policy: { backends: ["*"] },
      threads: null,
      drainFor: Duration.seconds(20),
      report,
      notes
    })
  }).pipe(Effect.provide(worker.layer))
  const names = (call: "upload" | "adopt") =>
    worker.called(call).flatMap(({ argument }) => {
      const told = argument as FileDigest | { readonly files: ReadonlyArray<FileDigest> }
      return ("files" in told ? told.files : [told]).map(({ name, rendition }) => `${rendition}/${name}`)
    })
  const completed = worker.called("complete")[0]?.argument as { readonly files: ReadonlyArray<RegisteredFile> }
  return {
    calls: worker.calls.map(({ name }) => name),
    uploaded: names("upload"),
    sent: worker.called("upload").map(({ argument }) => argument as MadeFile),
    adopted: names("adopt"),
    published: completed.files.map(({ name, rendition }) => `${rendition}/${name}`).toSorted()
  }
})

const everything = [
  ...[...plan.video, ...plan.audio].flatMap(({ name }) =>
    [initName, segmentName(0), segmentName(1), segmentName(2)].map((part) => `${name}/${part}`)
  ),
  "poster/poster.jpg"
].toSorted()

describe("a task that another attempt began", () => {
  it.effect("is gone on with: what is there is taken over, and only the rest is sent", () =>
    Effect.gen(function* () {
      const { adopted, calls, published, uploaded } = yield* run(left(false))
      assert.isBelow(calls.indexOf("adopt"), calls.indexOf("upload"), "nothing is sent before")
      assert.strictEqual(adopted.length, plan.video.length * 3)
      assert.deepStrictEqual([...adopted, ...uploaded].toSorted(), everything)
      assert.deepStrictEqual(published, everything)
    })
  )

  /** With what the file of one rendition, by its name, was made of. */
  const madeOf = (wrong: string, change: (file: RegisteredFile) => RegisteredFile) => {
    const { name: rendition } = plan.video.at(-1)!
    return left(false).map((file) => (file.rendition === rendition && file.name === wrong ? change(file) : file))
  }
  const ofOthers = (file: RegisteredFile) => ({ ...file, prefix: { bytes: file.prefix!.bytes, sha256: sha256(66) } })
  const ofMore = (file: RegisteredFile) => ({ ...file, prefix: { bytes: 2_000_000, sha256: digestOfFirst(2_000_000) } })
  const unsaid = ({ bytes, facts, name, rendition, sha256 }: RegisteredFile) => ({
    bytes,
    facts,
    name,
    rendition,
    sha256
  })

  it.effect.each([
    ["of other bytes", segmentName(1), ofOthers, 1],
    ["of more than there is", segmentName(1), ofMore, 1],
    ["of nobody knows what", segmentName(1), unsaid, 1],
    ["of other bytes from the first on", segmentName(0), ofOthers, 0],
    ["with an init segment of other bytes", initName, ofOthers, 0]
  ] as const)("is gone on with, in all renditions, where one turns out to be made %s", ([, name, change, segments]) =>
    Effect.gen(function* () {
      const { adopted, published, uploaded } = yield* run(madeOf(name, change))
      assert.strictEqual(adopted.length, segments === 0 ? 0 : plan.video.length * (1 + segments))
      assert.isFalse(adopted.some((file) => file.endsWith(segmentName(1))))
      assert.deepStrictEqual([...adopted, ...uploaded].toSorted(), everything)
      assert.deepStrictEqual(published, everything)
    })
  )

  it.effect("says of all that is sent of what it was made", () =>
    Effect.gen(function* () {
      const { sent } = yield* run(left(false))
      for (const { prefix } of sent) assert.deepStrictEqual(prefix, prefixes[1])
    })
  )

  it.effect("is made afresh where the encoder turns out to be another, with nothing of before", () =>
    Effect.gen(function* () {
      const { adopted, published, uploaded } = yield* run(left(true))
      assert.deepStrictEqual(adopted, [])
      assert.deepStrictEqual(uploaded.toSorted(), everything)
      assert.deepStrictEqual(published, everything)
    })
  )
})

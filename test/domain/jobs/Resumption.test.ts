import { assert, describe, it } from "@effect/vitest"
import { resumption } from "../../../src/domain/jobs/Resumption.ts"
import type { RenditionName } from "../../../src/domain/media/Rendition.ts"
import type { RegisteredFile, SegmentFacts } from "../../../src/domain/media/Segment.ts"
import { initName, segmentName } from "../../../src/domain/media/Segment.ts"
import { wholeSource } from "../../../src/domain/media/TranscodePlan.ts"
import { leaseId, sha256 } from "../support/ids.ts"
import { source } from "../support/sources.ts"

const encoder = { name: "libx264", codec: "h264", backend: "software", device: null } as const

/** Three segments of 100 frames and one of 50. */
const plan = wholeSource(source({ frames: 350, duration: 14 }, [{ duration: 14 }]), { encoder })
const names = plan.video.map(({ name }) => name)
const [top, ...lower] = names as [RenditionName, ...ReadonlyArray<RenditionName>]

const file = (rendition: RenditionName, name: string, facts: SegmentFacts): RegisteredFile => ({
  rendition,
  name,
  bytes: 1000,
  sha256: sha256(1),
  facts
})

const init = (rendition: RenditionName) =>
  file(rendition, initName, { _tag: "VideoInit", codecs: "avc1.64001f", timescale: 12_800, width: 2, height: 2 })

const segment = (rendition: RenditionName, index: number, own: Partial<SegmentFacts> = {}) =>
  file(rendition, segmentName(index), {
    _tag: "MediaSegment",
    decodeTime: index * 51_200,
    duration: 51_200,
    samples: 100,
    startsWithKeyframe: true,
    ...own
  } as SegmentFacts)

const made = (rendition: RenditionName, count: number) => [
  init(rendition),
  ...Array.from({ length: count }, (_, index) => segment(rendition, index))
]

const from = (files: ReadonlyArray<RegisteredFile>) => resumption(plan, { lease: leaseId(1), files })

describe("what an earlier attempt left", () => {
  it("serves as far as all renditions have it", () => {
    const found = from([...made(top, 3), ...lower.flatMap((name) => made(name, 2))])
    assert.isNotNull(found)
    assert.strictEqual(found.segments, 2)
    assert.strictEqual(found.lease, leaseId(1))
    assert.deepStrictEqual(
      found.files.map(({ name, rendition }) => `${rendition}/${name}`),
      names.flatMap((name) => [initName, segmentName(0), segmentName(1)].map((part) => `${name}/${part}`))
    )
  })

  it("serves but for the last segment, with which the encoder shows that it is the same", () => {
    assert.strictEqual(from(names.flatMap((name) => made(name, 4)))?.segments, 3)
  })

  it("serves nothing where there is nothing, or a rendition has nothing", () => {
    assert.isNull(from([]))
    assert.isNull(from(made(top, 3)))
    assert.isNull(from(names.flatMap((name) => made(name, 0))))
  })

  it("serves nothing without the init segments", () => {
    assert.isNull(from(names.flatMap((name) => made(name, 3).slice(1))))
  })

  const broken: Readonly<Record<string, Partial<SegmentFacts>>> = {
    "a segment that is short": { samples: 60 },
    "a segment that begins at another time": { decodeTime: 51_201 },
    "a segment without a keyframe": { startsWithKeyframe: false }
  }
  for (const [what, own] of Object.entries(broken)) {
    it(`serves up to ${what}`, () => {
      const files = names.flatMap((name) => [init(name), segment(name, 0), segment(name, 1, own), segment(name, 2)])
      assert.strictEqual(from(files)?.segments, 1)
    })
  }

  it("serves up to a hole", () => {
    const files = names.flatMap((name) => [init(name), segment(name, 0), segment(name, 2)])
    assert.strictEqual(from(files)?.segments, 1)
  })

  it("serves nothing where sound lies with the pictures", () => {
    const muxed = wholeSource(source({ frames: 350, duration: 14 }, [{ duration: 14 }]), {
      encoder,
      packaging: "muxed"
    })
    const files = muxed.video.flatMap(({ name }) => made(name, 3))
    assert.isNull(resumption(muxed, { lease: leaseId(1), files }))
  })
})

import { assert, describe, it } from "@effect/vitest"
import { Arbitrary } from "effect"
import { parse, type ParsedPlaylist } from "mpd-parser"
import { manifest, manifestName } from "../../../src/domain/media/DashManifest.ts"
import type { Presentation, Track, TrackSegment } from "../../../src/domain/media/Presentation.ts"
import { duration, peakBitrate } from "../../../src/domain/media/Presentation.ts"
import { segmentName } from "../../../src/domain/media/Segment.ts"
import { hostileText, int } from "../support/arbitraries.ts"
import { oddlyTagged, presentations, small } from "../support/presentations.ts"

const folder = "https://example.test/videos/cat/"

const parsed = (presentation: Presentation, base = "") => {
  const { duration, mediaGroups, playlists } = parse(manifest(presentation, base), {
    manifestUri: `${folder}${manifestName}`
  })
  const languages = Object.values(mediaGroups.AUDIO["audio"] ?? {})
  return { duration, video: playlists, languages, audio: languages.flatMap((language) => language.playlists) }
}

const named = (playlists: ReadonlyArray<ParsedPlaylist>, track: Track): ParsedPlaylist => {
  const found = playlists.filter((playlist) => playlist.attributes.NAME === track.name)
  assert.lengthOf(found, 1)
  return found[0]!
}

const assertSameSegments = (playlist: ParsedPlaylist, track: Track, base: string) => {
  assert.deepStrictEqual(
    playlist.segments.map((segment) => segment.resolvedUri),
    track.segments.map((segment) => new URL(`${base}${track.name}/${segment.name}`, folder).href)
  )
  playlist.segments.forEach((segment, position) => {
    const expected = track.segments[position]!
    assert.approximately(segment.duration, expected.duration / track.timescale, 1e-9)
    assert.approximately(segment.presentationTime, expected.decodeTime / track.timescale, 1e-6)
    assert.strictEqual(segment.map.resolvedUri, new URL(`${base}${track.name}/${track.init}`, folder).href)
  })
}

/** The `S` elements of the first timeline, and what they stand for. */
const timeline = (text: string) => {
  const [inner = ""] = /<SegmentTimeline>[^]*?<\/SegmentTimeline>/.exec(text) ?? []
  const runs = [...inner.matchAll(/<S t="(\d+)" d="(\d+)"(?: r="(\d+)")?\/>/g)].map(([, t, d, r]) => ({
    start: Number(t),
    duration: Number(d),
    count: Number(r ?? 0) + 1
  }))
  assert.lengthOf(inner.split("<S "), runs.length + 1)
  const segments = runs.flatMap((run) =>
    Array.from({ length: run.count }, (_, position) => ({
      decodeTime: run.start + position * run.duration,
      duration: run.duration
    }))
  )
  return { runs, segments }
}

describe("the DASH manifest", () => {
  it.prop("has the same segments as the presentation, at the same times", [presentations], ([presentation]) => {
    const { audio, video } = parsed(presentation, "published/5f/")
    assert.lengthOf(video, presentation.video.length)
    assert.lengthOf(audio, presentation.audio.length)
    for (const track of presentation.video) assertSameSegments(named(video, track), track, "published/5f/")
    for (const track of presentation.audio) assertSameSegments(named(audio, track), track, "published/5f/")
  })

  it.prop("says how each picture size is coded and what it costs", [presentations], ([presentation]) => {
    const { video } = parsed(presentation)
    for (const track of presentation.video) {
      const { attributes } = named(video, track)
      assert.strictEqual(attributes.CODECS, track.codecs)
      assert.deepStrictEqual(attributes.RESOLUTION, { width: track.width, height: track.height })
      assert.approximately(attributes["FRAME-RATE"]!, track.frameRate.numerator / track.frameRate.denominator, 1e-9)
      assert.strictEqual(attributes.BANDWIDTH, peakBitrate(track))
    }
  })

  it.prop("lasts as long as the longest track", [presentations], ([presentation]) => {
    assert.approximately(parsed(presentation).duration, duration(presentation), 1e-6)
  })

  it("plays the first sound track unasked", () => {
    const [track] = small.audio
    const { languages } = parsed({ ...small, audio: [track!, { ...track!, language: "de" }] })
    assert.deepStrictEqual(
      languages.map(({ default: unasked, language }) => [language, unasked]),
      [
        ["en", true],
        ["de", false]
      ]
    )
  })

  it("counts from the number of the first segment", () => {
    const [first] = small.video
    const later = { ...first, segments: [{ ...first.segments[0], name: segmentName(7) }] as const }
    const { video } = parsed({ video: [later], audio: [] })
    assert.strictEqual(video[0]?.segments[0]?.resolvedUri, `${folder}720p/seg_00007.m4s`)
  })

  it("counts on after five digits", () => {
    const [first] = small.video
    const [segment] = first.segments
    const later = [99_999, 100_000].map((index, position) => ({
      ...segment,
      name: segmentName(index),
      decodeTime: position * segment.duration
    })) as [TrackSegment, TrackSegment]
    const { video } = parsed({ video: [{ ...first, segments: later }], audio: [] })
    assert.deepStrictEqual(
      video[0]?.segments.map((found) => found.uri),
      ["720p/seg_99999.m4s", "720p/seg_100000.m4s"]
    )
  })
})

/** Durations of few lengths, so that equal ones meet, and a gap now and then. */
const uneven = Arbitrary.map(
  Arbitrary.array(Arbitrary.all([Arbitrary.schema(int(1, 3)), Arbitrary.schema(int(0, 9))]), {
    minLength: 1,
    maxLength: 40
  }),
  (parts) => {
    let time = 0
    return parts.map(([length, gap], position): TrackSegment => {
      const decodeTime = time + (gap === 9 ? 5 : 0)
      const duration = length * 1000
      time = decodeTime + duration
      return { name: segmentName(position), decodeTime, duration, bytes: 1000 }
    }) as [TrackSegment, ...Array<TrackSegment>]
  }
)

describe("the timeline", () => {
  it("writes a run of equal segments once", () => {
    assert.deepStrictEqual(timeline(manifest(small, "")).runs, [
      { start: 0, duration: 51200, count: 2 },
      { start: 102400, duration: 25600, count: 1 }
    ])
  })

  it.prop("stands for exactly the segments, in as few runs as can be", [uneven], ([segments]) => {
    const [first] = small.video
    const { runs, segments: expanded } = timeline(manifest({ video: [{ ...first, segments }], audio: [] }, ""))
    assert.deepStrictEqual(
      expanded,
      segments.map(({ decodeTime, duration }) => ({ decodeTime, duration }))
    )
    const breaks = segments.filter((segment, position) => {
      const before = segments[position - 1]
      return before?.duration !== segment.duration || before.decodeTime + before.duration !== segment.decodeTime
    })
    assert.lengthOf(runs, breaks.length)
  })
})

/** The characters that XML 1.0 has no place for, not even escaped. */
const unknownToXml = /[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu

describe("text that comes from outside", () => {
  it("is escaped", () => {
    const [track] = small.audio
    const presentation = { ...small, audio: [{ ...track!, language: '<a href="b">&\'' }] }
    assert.strictEqual(parsed(presentation).languages[0]?.language, '<a href="b">&\'')
    assert.strictEqual(parsed(small, "a&b/<c>/").video[0]?.segments[0]?.uri.includes("seg_00000.m4s"), true)
    assert.include(manifest(small, "a&b/<c>/"), "<BaseURL>a&amp;b/&lt;c&gt;/</BaseURL>")
  })

  it.prop("never changes what the manifest says, nor makes it unreadable", [oddlyTagged], ([presentation]) => {
    const text = manifest(presentation, "")
    assert.isNull(unknownToXml.exec(text))
    const { audio, video } = parsed(presentation)
    assert.lengthOf(video, presentation.video.length)
    assert.lengthOf(audio, presentation.audio.length)
    for (const track of presentation.audio) assertSameSegments(named(audio, track), track, "")
  })

  it.prop("arrives as it was sent, but for what XML cannot carry", [hostileText], ([language]) => {
    const [track] = small.audio
    const [found] = parsed({ ...small, audio: [{ ...track!, language }] }).languages
    const carried = (value: string) => value.replace(unknownToXml, "").replace(/[\s\u0085]+/g, " ")
    assert.strictEqual(carried(found?.language ?? ""), carried(language))
  })
})

import { assert, describe, it } from "@effect/vitest"
import * as Hls from "hls-parser"
import { masterName, masterPlaylist, mediaName, mediaPlaylist } from "../../../src/domain/media/HlsPlaylist.ts"
import type { Track } from "../../../src/domain/media/Presentation.ts"
import { trackDuration } from "../../../src/domain/media/Presentation.ts"
import { oneOf } from "../support/arbitraries.ts"
import { oddlyTagged, presentations, small } from "../support/presentations.ts"

const parseMaster = (text: string): Hls.types.MasterPlaylist => {
  const playlist = Hls.parse(text)
  assert.isTrue(playlist.isMasterPlaylist)
  return playlist as Hls.types.MasterPlaylist
}

const parseMedia = (track: Track): Hls.types.MediaPlaylist => {
  const playlist = Hls.parse(mediaPlaylist(track))
  assert.isFalse(playlist.isMasterPlaylist)
  return playlist as Hls.types.MediaPlaylist
}

const bitrates = (track: Track) =>
  track.segments.map((segment) => (segment.bytes * 8 * track.timescale) / segment.duration)

/** Of those that last at least half as long as the longest: a shorter one is counted with its neighbours. */
const lastingBitrates = (track: Track) => {
  const longest = Math.max(...track.segments.map(({ duration }) => duration))
  return bitrates(track).filter((_, position) => track.segments[position]!.duration >= longest / 2)
}

const average = (track: Track) =>
  (track.segments.reduce((sum, segment) => sum + segment.bytes, 0) * 8) / trackDuration(track)

/** By the letter of RFC 8216 section 4.2: hls-parser takes an apostrophe for a quote. */
const attributesOf = (line: string): Readonly<Record<string, string>> => {
  const list = line.slice(line.indexOf(":") + 1)
  const found = [...list.matchAll(/([A-Z0-9-]+)=("[^"\r\n]*"|[^",\s]+)(?:,|$)/gy)]
  assert.strictEqual(found.map(([all]) => all).join(""), list)
  assert.strictEqual(new Set(found.map(([, name]) => name)).size, found.length)
  return Object.fromEntries(found.map(([, name, value]) => [name!, value!]))
}

const bases = oneOf(["", "published/5f/", "../", "/videos/cat/", "https://cdn.example.test/x/"])

describe("the master playlist", () => {
  it.prop("has a variant for each picture size, in order", [presentations, bases], ([presentation, base]) => {
    const { variants } = parseMaster(masterPlaylist(presentation, base))
    assert.deepStrictEqual(
      variants.map((variant) => [variant.uri, variant.resolution, variant.videoRange]),
      presentation.video.map((track) => [
        `${base}${track.name}/${mediaName}`,
        { width: track.width, height: track.height },
        "SDR"
      ])
    )
    variants.forEach((variant, position) => {
      const { denominator, numerator } = presentation.video[position]!.frameRate
      assert.approximately(variant.frameRate!, numerator / denominator, 0.0005)
    })
  })

  it.prop("names the codecs of pictures and sound together", [presentations], ([presentation]) => {
    parseMaster(masterPlaylist(presentation, "")).variants.forEach((variant, position) => {
      const video = presentation.video[position]!.codecs
      assert.strictEqual(variant.codecs, presentation.audio.length === 0 ? video : `${video},mp4a.40.2`)
    })
  })

  it.prop("promises bandwidth for the costliest moment of pictures and sound", [presentations], ([presentation]) => {
    const { variants } = parseMaster(masterPlaylist(presentation, ""))
    variants.forEach((variant, position) => {
      const track = presentation.video[position]!
      const sums = (rates: (track: Track) => ReadonlyArray<number>) =>
        Math.max(...rates(track)) + Math.max(0, ...presentation.audio.flatMap(rates))
      assert.isAtLeast(variant.bandwidth, Math.floor(sums(lastingBitrates)))
      assert.isAtMost(variant.bandwidth, sums(bitrates) + 2)
      assert.isAtLeast(variant.bandwidth, variant.averageBandwidth!)
      assert.approximately(
        variant.averageBandwidth!,
        average(track) + Math.max(0, ...presentation.audio.map(average)),
        2
      )
    })
  })

  it.prop(
    "offers every sound track to every picture size, the first unasked",
    [presentations, bases],
    ([presentation, base]) => {
      for (const variant of parseMaster(masterPlaylist(presentation, base)).variants) {
        assert.deepStrictEqual(
          variant.audio.map((sound) => [sound.uri, sound.isDefault, sound.autoselect, sound.channels, sound.language]),
          presentation.audio.map((track, position) => [
            `${base}${track.name}/${mediaName}`,
            position === 0,
            true,
            String(track.channels),
            track.language === "und" ? undefined : track.language
          ])
        )
        assert.strictEqual(
          new Set(variant.audio.map((sound) => sound.groupId)).size,
          Math.min(1, presentation.audio.length)
        )
        assert.strictEqual(new Set(variant.audio.map((sound) => sound.name)).size, presentation.audio.length)
      }
    }
  )

  it("names no group of sound where there is none", () => {
    const text = masterPlaylist({ ...small, audio: [] }, "")
    assert.notInclude(text, "AUDIO")
    assert.isEmpty(parseMaster(text).variants[0]!.audio)
  })

  it("leads to the renditions' folders from wherever it lies", () => {
    const { variants } = parseMaster(masterPlaylist(small, "published/5f/"))
    const address = new URL(variants[0]!.uri, `https://example.test/videos/cat/${masterName}`)
    assert.strictEqual(address.href, "https://example.test/videos/cat/published/5f/720p/stream.m3u8")
  })

  it.prop("says nothing that a file's tags put into it", [oddlyTagged], ([presentation]) => {
    const text = masterPlaylist(presentation, "x/")
    const lines = text.split(/\r\n|\n|\r/)
    assert.lengthOf(lines, 3 + presentation.audio.length + 2 * presentation.video.length + 1)
    assert.deepStrictEqual(
      parseMaster(text).variants.map((variant) => variant.uri),
      presentation.video.map((track) => `x/${track.name}/${mediaName}`)
    )
    presentation.audio.forEach((track, position) => {
      const values = attributesOf(lines[3 + position]!)
      assert.deepInclude(values, {
        TYPE: "AUDIO",
        "GROUP-ID": '"audio"',
        DEFAULT: position === 0 ? "YES" : "NO",
        CHANNELS: `"${track.channels}"`,
        URI: `"x/${track.name}/${mediaName}"`
      })
      assert.strictEqual(values["LANGUAGE"], `"${track.language.replace(/["\r\n]/g, "")}"`)
    })
  })

  it("drops quotes and line breaks from a language and keeps the rest of it", () => {
    const [track] = small.audio
    const text = masterPlaylist({ ...small, audio: [{ ...track!, language: 'e"\r\nn,URI="evil"' }] }, "")
    const [sound] = parseMaster(text).variants[0]!.audio
    assert.strictEqual(sound?.language, "en,URI=evil")
    assert.strictEqual(sound?.uri, `audio-0/${mediaName}`)
  })
})

describe("a media playlist", () => {
  it.prop("lists every segment once, in order, after the init segment", [presentations], ([presentation]) => {
    for (const track of [...presentation.video, ...presentation.audio]) {
      const playlist = parseMedia(track)
      assert.deepStrictEqual(
        playlist.segments.map((segment) => segment.uri),
        track.segments.map((segment) => segment.name)
      )
      for (const segment of playlist.segments) assert.strictEqual(segment.map.uri, track.init)
      assert.isTrue(playlist.endlist)
      assert.strictEqual(playlist.playlistType, "VOD")
      assert.isTrue(playlist.independentSegments)
    }
  })

  it.prop("lasts as long as its track", [presentations], ([presentation]) => {
    for (const track of [...presentation.video, ...presentation.audio]) {
      const { segments } = parseMedia(track)
      segments.forEach((segment, position) => {
        assert.approximately(segment.duration, track.segments[position]!.duration / track.timescale, 6e-7)
      })
      const sum = segments.reduce((total, segment) => total + segment.duration, 0)
      assert.approximately(sum, trackDuration(track), segments.length * 6e-7)
    }
  })

  it.prop(
    "has a target duration that no segment exceeds, and none exceeds without need",
    [presentations],
    ([presentation]) => {
      for (const track of [...presentation.video, ...presentation.audio]) {
        const playlist = parseMedia(track)
        const longest = Math.max(...playlist.segments.map((segment) => segment.duration))
        assert.isTrue(Number.isInteger(playlist.targetDuration))
        assert.isAtLeast(playlist.targetDuration, longest)
        assert.isBelow(playlist.targetDuration, longest + 1.000001)
      }
    }
  )
})

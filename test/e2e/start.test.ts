/** The whole farm with real films: what it publishes is judged by tools that are not ours. */
import { chmod, mkdtemp, readFile, rm } from "node:fs/promises"
import { createServer, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import type { Browser } from "playwright-core"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { advances, ask, becomes, launchChromium, visit } from "../support/chromium.ts"
import { countFrames, listen, pictureOf, watch } from "../support/media.ts"
import { freePort, type Program, repository, start, stopAll, until } from "../support/programs.ts"
import { type Film, lateMkv, plainMp4, portraitMov, vp9WebM } from "./films.ts"
import { getRaw, readDash, readHls, type ReadOutput, spanOf } from "./published.ts"

let folder: string
let port: number
let address: string
let farm: Program
const films = new Map<string, Film>()
const outputs = new Map<string, ReadOutput>()

beforeAll(async () => {
  folder = await mkdtemp("/tmp/vlog-e2e-")
  await chmod(folder, 0o755)
  for (const make of [plainMp4, vp9WebM, lateMkv, portraitMov]) {
    const film = await make(folder)
    films.set(film.slug, film)
  }
  port = await freePort()
  address = `http://127.0.0.1:${port}`
  farm = start("start", [
    "--data",
    join(folder, "data"),
    "--port",
    String(port),
    ...[...films.values()].map((film) => film.path)
  ])
  await farm.said("Serving until you press Ctrl-C", { within: 240_000 })
  for (const slug of films.keys()) {
    outputs.set(slug, await readHls(`${address}/videos/${slug}/master.m3u8`, join(folder, "read", slug)))
  }
})

afterAll(async () => {
  await stopAll()
  await rm(folder, { recursive: true, force: true })
})

/** Pictures of the film for each of a variant: small ones have every other one where there are many. */
const stepOf = ({ rate }: Film, variant: number) => (variant > 0 && rate.numerator / rate.denominator > 35 ? 2 : 1)

const secondsOf = (film: Film, frames = film.frames) => (frames * film.rate.denominator) / film.rate.numerator

it("shows where to watch each film", () => {
  for (const slug of films.keys()) {
    assert.include(farm.output(), `${slug}: published`)
    for (const path of [`/watch/${slug}`, `/videos/${slug}/master.m3u8`, `/videos/${slug}/manifest.mpd`]) {
      assert.include(farm.output(), `http://localhost:${port}${path}`)
    }
  }
  assert.strictEqual(farm.stderr(), "")
})

describe.each(["plain-film", "open", "late", "portrait"])("the published %s", (slug) => {
  const about = () => {
    const film = films.get(slug)!
    return { film, output: outputs.get(slug)!, frame: secondsOf(film, 1), seconds: secondsOf(film) }
  }

  it("has a ladder of the source's shape, described as it is", async () => {
    const { film, output } = about()
    const shortSides = film.width * film.height > 640 * 360 ? [480, 360] : [360]
    assert.deepStrictEqual(
      output.video.map((variant) => Math.min(variant.width, variant.height)),
      shortSides
    )
    assert.strictEqual(output.audio.length, film.silent ? 0 : 1)
    for (const [position, variant] of output.video.entries()) {
      const picture = await pictureOf(variant.path)
      assert.deepInclude(picture, {
        width: variant.width,
        height: variant.height,
        codec_name: "h264",
        pix_fmt: "yuv420p",
        sample_aspect_ratio: "1:1"
      })
      assert.approximately(variant.width / variant.height, film.width / film.height, 0.01)
      const rate = film.rate.numerator / film.rate.denominator / stepOf(film, position)
      assert.approximately(variant.frameRate, rate, 0.001)
      assert.match(variant.codecs, film.silent ? /^avc1\.6400[0-9a-f]{2}$/ : /^avc1\.6400[0-9a-f]{2},mp4a\.40\.2$/)
      // RFC 8216 section 4.1: what is shorter than half the target duration has no rate of its own.
      const rates = variant.segments
        .filter((segment) => segment.seconds >= variant.targetDuration / 2)
        .map((segment) => (segment.bytes * 8) / segment.seconds)
      assert.isAtLeast(variant.bandwidth, Math.floor(Math.max(...rates)) - 1000, "no segment costs more than promised")
      assert.isAbove(variant.averageBandwidth, 0)
      assert.isAtMost(variant.averageBandwidth, variant.bandwidth)
    }
  })

  it("lasts as long as the source, in the playlists and in the manifest", async () => {
    const { film, frame, output, seconds } = about()
    assert.strictEqual(await countFrames(film.path), film.frames)
    for (const rendition of [...output.video, ...output.audio]) {
      const told = rendition.segments.reduce((sum, segment) => sum + segment.seconds, 0)
      assert.approximately(told, seconds, frame, rendition.address)
      for (const segment of rendition.segments) assert.isAtMost(Math.round(segment.seconds), rendition.targetDuration)
    }
    const dash = await readDash(`${address}/videos/${slug}/manifest.mpd`)
    assert.approximately(dash.duration, seconds, frame)
  })

  it("is the same in DASH as in HLS", async () => {
    const { output } = about()
    const dash = await readDash(`${address}/videos/${slug}/manifest.mpd`)
    const inHls = new Map(
      [...output.video, ...output.audio].flatMap((rendition) =>
        rendition.segments.map((segment) => [segment.address, segment.seconds] as const)
      )
    )
    const inDash = [...dash.video, ...dash.audio].flatMap((playlist) => playlist.segments)
    assert.sameMembers(
      inDash.map((segment) => segment.resolvedUri),
      [...inHls.keys()]
    )
    // HLS says millionths of a second, DASH units of the track.
    for (const { duration, resolvedUri } of inDash) assert.approximately(duration, inHls.get(resolvedUri)!, 2e-6)
    assert.deepStrictEqual(
      dash.video.map(({ attributes }) => attributes.RESOLUTION).toSorted((a, b) => b!.height - a!.height),
      output.video.map(({ height, width }) => ({ width, height }))
    )
  })

  it("decodes without a complaint, every picture of the source and none twice, in time with the sound", async () => {
    const { film, frame, output, seconds } = about()
    const master = `${address}/videos/${slug}/master.m3u8`
    const expected = film.flashes.map((flash) => secondsOf(film, flash))
    const inputs = [[master, 1] as const, ...output.video.map(({ path }, at) => [path, stepOf(film, at)] as const)]
    for (const [input, step] of inputs) {
      const { complaints, flashes, frames } = await watch(input)
      assert.strictEqual(complaints, "", input)
      assert.strictEqual(frames, film.frames / step, input)
      assert.strictEqual(flashes.length, expected.length, input)
      for (const [index, flash] of flashes.entries()) assert.approximately(flash, expected[index]!, frame / 2 + 0.001)
    }
    for (const input of film.silent ? [] : [master, output.audio[0]!.path]) {
      const { clicks, complaints, seconds: sounding } = await listen(input)
      assert.strictEqual(complaints, "", input)
      assert.approximately(sounding, seconds, 0.05, input)
      assert.strictEqual(clicks.length, expected.length, input)
      const late = clicks.map((click, index) => click - expected[index]!)
      for (const difference of late) assert.isBelow(Math.abs(difference), 0.04, `${late.join(" ")}`)
      assert.isBelow(Math.max(...late) - Math.min(...late), 0.01, `drifts: ${late.join(" ")}`)
    }
  })

  it("cuts every rendition at the same instants, each time at a keyframe", async () => {
    const { frame, output, seconds } = about()
    const cuts = await Promise.all(
      output.video.map((variant) => Promise.all(variant.segments.map((segment) => spanOf(segment, "v:0"))))
    )
    for (const [index, spans] of cuts.entries()) {
      assert.strictEqual(spans.length, cuts[0]!.length)
      let told = 0
      for (const [position, span] of spans.entries()) {
        assert.isTrue(span.startsWithKeyframe, `${index} ${position}`)
        assert.approximately(span.start, told, frame / 2, "as the playlist says")
        assert.approximately(span.start, cuts[0]![position]!.start, frame / 2, "as in the best rendition")
        told += output.video[index]!.segments[position]!.seconds
      }
      assert.approximately(spans.at(-1)!.end, seconds, frame / 2)
    }
    for (const sound of output.audio) {
      const spans = await Promise.all(sound.segments.map((segment) => spanOf(segment, "a:0")))
      for (const [position, span] of spans.slice(1).entries()) {
        assert.approximately(span.start, spans[position]!.end, 0.002, "no hole and no overlap in the sound")
      }
    }
  })
})

describe("the addresses of what is published", () => {
  const get = (path: string, headers: Readonly<Record<string, string>> = {}, method = "GET") =>
    getRaw(port, path, { headers, method })
  const pathOf = (address: string) => new URL(address).pathname
  const aSegment = () => outputs.get("plain-film")!.video[0]!.segments[0]!

  it("may be kept for ever below a publication, and are asked for again at the entry", async () => {
    const segment = await get(pathOf(aSegment().address))
    assert.strictEqual(segment.headers["cache-control"], "public, max-age=31536000, immutable")
    assert.strictEqual(segment.headers["content-type"], "video/iso.segment")
    const playlist = await get(pathOf(outputs.get("plain-film")!.video[0]!.address))
    assert.strictEqual(playlist.headers["content-type"], "application/vnd.apple.mpegurl")
    assert.strictEqual(playlist.headers["cache-control"], "public, max-age=31536000, immutable")
    for (const [name, type] of [
      ["master.m3u8", "application/vnd.apple.mpegurl"],
      ["manifest.mpd", "application/dash+xml"]
    ] as const) {
      const entry = await get(`/videos/plain-film/${name}`)
      assert.strictEqual(entry.headers["cache-control"], "public, max-age=0, must-revalidate")
      assert.strictEqual(entry.headers["content-type"], type)
      const again = await get(`/videos/plain-film/${name}`, { "if-none-match": entry.headers["etag"]! })
      assert.strictEqual(again.status, 304)
      assert.strictEqual(again.body.length, 0)
    }
  })

  it("may be read by pages of other sites", async () => {
    for (const path of ["/videos/plain-film/master.m3u8", pathOf(aSegment().address), "/videos/nothing/master.m3u8"]) {
      const answer = await get(path, { origin: "https://example.org" })
      assert.strictEqual(answer.headers["access-control-allow-origin"], "*", path)
    }
  })

  it("give parts", async () => {
    const path = pathOf(aSegment().address)
    const whole = await get(path)
    assert.strictEqual(whole.status, 200)
    assert.strictEqual(whole.headers["accept-ranges"], "bytes")
    const size = whole.body.length
    assert.strictEqual(whole.headers["content-length"], String(size))
    for (const [range, from, to] of [
      ["bytes=0-99", 0, 99],
      ["bytes=100-", 100, size - 1],
      ["bytes=-50", size - 50, size - 1],
      [`bytes=10-${size + 1000}`, 10, size - 1]
    ] as const) {
      const part = await get(path, { range })
      assert.strictEqual(part.status, 206, range)
      assert.strictEqual(part.headers["content-range"], `bytes ${from}-${to}/${size}`)
      assert.isTrue(part.body.equals(whole.body.subarray(from, to + 1)), range)
    }
    const beyond = await get(path, { range: `bytes=${size}-` })
    assert.strictEqual(beyond.status, 416)
    assert.strictEqual(beyond.headers["content-range"], `bytes */${size}`)
    const etag = whole.headers["etag"]!
    assert.strictEqual((await get(path, { range: "bytes=0-9", "if-range": etag })).status, 206)
    const changed = await get(path, { range: "bytes=0-9", "if-range": '"another"' })
    assert.strictEqual(changed.status, 200)
    assert.strictEqual(changed.body.length, size)
  })

  it("lead nowhere else", async () => {
    const known = aSegment().address
    const [, , , publication = ""] = pathOf(known).split("/")
    const other = pathOf(outputs.get("open")!.video[0]!.segments[0]!.address).split("/")[3]!
    const secrets = await readFile(join(folder, "data", "secrets.json"), "utf8")
    assert.include(secrets, "adminSecret")
    for (const path of [
      "/videos/unknown/master.m3u8",
      "/videos/plain-film/",
      "/videos/plain-film/other.m3u8",
      `/videos/plain-film/${publication}`,
      `/videos/plain-film/${publication}/`,
      `/videos/plain-film/${publication}/480p`,
      `/videos/plain-film/${publication}/480p/`,
      `/videos/plain-film/${publication}/480p/seg_99999.m4s`,
      `/videos/plain-film/${other}/360p/seg_00000.m4s`,
      `/videos/open/${publication}/480p/seg_00000.m4s`,
      "/videos/plain-film/00000000-0000-4000-8000-000000000000/480p/seg_00000.m4s",
      `/videos/plain-film/${publication}/../../../../secrets.json`,
      `/videos/plain-film/${publication}/480p/../../../../../secrets.json`,
      `/videos/plain-film/${publication}/480p/..%2f..%2f..%2f..%2fsecrets.json`,
      `/videos/plain-film/${publication}/480p/%2e%2e/%2e%2e/%2e%2e/uploads/1.mp4`,
      `/videos/plain-film/${publication}%2f480p%2f..%2finit.mp4`,
      `/videos/plain-film/..%5c..%5csecrets.json`,
      `/videos/..%2f..%2fsecrets.json/master.m3u8`,
      `/videos/plain-film/${publication}/480p/seg_00000.m4s%00.jpg`,
      "/videos/../../secrets.json",
      "/assets/../../../package.json",
      "/assets/..%2f..%2f..%2fpackage.json",
      "/../../../../../../etc/passwd",
      "//etc/passwd",
      "/%2e%2e/%2e%2e/etc/passwd"
    ]) {
      const answer = await get(path)
      assert.strictEqual(answer.status, 404, path)
      assert.notInclude(answer.body.toString(), "adminSecret", path)
    }
    assert.strictEqual((await get("/watch/unknown")).status, 404)
    assert.strictEqual((await get(pathOf(known))).status, 200)
  })
})

describe("Chromium", () => {
  let browser: Browser
  let other: Server
  let origin: string

  /** A page of another site: what it reads, it may read because the farm says so. */
  const hlsPage = (source: string) => `<!doctype html><title>HLS</title><link rel="icon" href="data:,">
    <video muted width="640" height="360"></video>
    <script src="/hls.js"></script>
    <script>
      window.errors = []
      window.hls = new Hls({ maxBufferLength: 6, startLevel: 0 })
      hls.on(Hls.Events.ERROR, (_, data) => {
        // Its own dropping of a request when it is told to switch.
        if (data.details !== Hls.ErrorDetails.INTERNAL_ABORTED) window.errors.push(data.type + " " + data.details)
      })
      document.querySelector("video").addEventListener("error", (event) => window.errors.push(String(event.target.error?.message)))
      hls.loadSource(${JSON.stringify(source)})
      hls.attachMedia(document.querySelector("video"))
      hls.on(Hls.Events.MANIFEST_PARSED, () => document.querySelector("video").play())
    </script>`

  beforeAll(async () => {
    browser = await launchChromium()
    const library = await readFile(join(repository, "node_modules/hls.js/dist/hls.min.js"))
    other = createServer((request, response) => {
      const { pathname, searchParams } = new URL(request.url ?? "/", "http://localhost")
      if (pathname === "/hls.js") return response.writeHead(200, { "content-type": "text/javascript" }).end(library)
      return response.writeHead(200, { "content-type": "text/html" }).end(hlsPage(searchParams.get("source") ?? ""))
    })
    await new Promise<void>((done) => other.listen(0, "127.0.0.1", done))
    origin = `http://127.0.0.1:${(other.address() as AddressInfo).port}`
  })

  afterAll(async () => {
    await browser?.close()
    other?.closeAllConnections()
    other?.close()
  })

  const height = `document.querySelector("video").videoHeight`
  const toTheEnd = async (page: Awaited<ReturnType<typeof visit>>["page"]) => {
    await ask(
      page,
      `{ const video = document.querySelector("video"); video.currentTime = video.duration - 1; void video.play() }`
    )
    await becomes(page, `document.querySelector("video").ended`)
  }

  /** There and back again; in the portrait film to half of the pictures a second. */
  const switches = (slug: string) => {
    const [best, small] = outputs.get(slug)!.video.map((variant) => variant.height)
    return [small!, best!, small!]
  }

  it.each(["plain-film", "late", "portrait"])("plays %s with Shaka Player on the page of the farm", async (slug) => {
    const film = films.get(slug)!
    const { complaints, page } = await visit(browser, `${address}/watch/${slug}`)
    await page.locator(`#player[data-state="ready"], #player[data-state="playing"]`).waitFor({ timeout: 45_000 })
    await ask(
      page,
      `{
      const video = document.querySelector("video")
      window.errors = []
      window.vlogPlayer.addEventListener("error", (event) => window.errors.push(String(event.detail)))
      video.addEventListener("error", () => window.errors.push(String(video.error?.message)))
      video.muted = true
      void video.play()
    }`
    )
    await advances(page)
    assert.approximately(await ask<number>(page, `document.querySelector("video").duration`), secondsOf(film), 0.1)
    for (const wanted of switches(slug)) {
      await ask(
        page,
        `{
        const player = window.vlogPlayer
        player.configure({ abr: { enabled: false } })
        player.selectVariantTrack(player.getVariantTracks().find((track) => track.height === ${wanted}), true)
      }`
      )
      await becomes(page, height, wanted)
      await becomes(page, `window.vlogPlayer.getVariantTracks().find((track) => track.active).height`, wanted)
    }
    await toTheEnd(page)
    assert.deepStrictEqual(await ask(page, "window.errors"), [])
    assert.isNull(await page.locator("#player").getAttribute("data-error"))
    assert.deepStrictEqual(complaints, [])
    await page.close()
  })

  it.each(["plain-film", "late", "portrait"])("plays %s with hls.js on the page of another site", async (slug) => {
    const film = films.get(slug)!
    const { complaints, page } = await visit(
      browser,
      `${origin}/?source=${encodeURIComponent(`${address}/videos/${slug}/master.m3u8`)}`
    )
    await advances(page)
    assert.approximately(await ask<number>(page, `document.querySelector("video").duration`), secondsOf(film), 0.1)
    for (const wanted of switches(slug)) {
      await ask(page, `hls.currentLevel = hls.levels.findIndex((level) => level.height === ${wanted})`)
      await becomes(page, height, wanted)
      await becomes(page, "hls.levels[hls.currentLevel]?.height", wanted)
    }
    await toTheEnd(page)
    assert.deepStrictEqual(await ask(page, "window.errors"), [])
    assert.deepStrictEqual(complaints, [])
    await page.close()
  })

  it("plays one of a single size with both, from start to end", async () => {
    const slug = "open"
    for (const at of [
      `${address}/watch/${slug}`,
      `${origin}/?source=${encodeURIComponent(`${address}/videos/${slug}/master.m3u8`)}`
    ]) {
      const { complaints, page } = await visit(browser, at)
      await until("a film is there", () => ask(page, `document.querySelector("video").duration > 0`))
      await ask(page, `{ const video = document.querySelector("video"); video.muted = true; void video.play() }`)
      await advances(page)
      assert.strictEqual(await ask(page, height), outputs.get(slug)!.video[0]!.height)
      await toTheEnd(page)
      assert.deepStrictEqual(complaints, [])
      await page.close()
    }
  })

  it("lists the films", async () => {
    const { complaints, page } = await visit(browser, `${address}/`)
    for (const slug of films.keys()) assert.isAtLeast(await page.locator(`a[href="/watch/${slug}"]`).count(), 1, slug)
    assert.deepStrictEqual(complaints, [])
    await page.close()
  })
})

it("stops when it is told to, and leaves what was published for the next start", async () => {
  farm.kill("SIGINT")
  const ending = await Promise.race([farm.ended, delay(20_000)])
  assert.isObject(ending)
  assert.strictEqual(farm.stderr(), "")
})

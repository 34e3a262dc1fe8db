import { execFile } from "node:child_process"
import { mkdtemp, readFile, rm } from "node:fs/promises"
import { createServer, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { basename, extname, join } from "node:path"
import { promisify } from "node:util"
import type { Browser, Page } from "playwright-core"
import { afterAll, assert, beforeAll, describe, expect, it } from "vitest"
import { assetHeaders, findAsset, pageHeaders } from "../../../src/adapters/web/assets.ts"
import { listPage } from "../../../src/adapters/web/ListPage.ts"
import { notFoundPage } from "../../../src/adapters/web/NotFoundPage.ts"
import { watchPage } from "../../../src/adapters/web/WatchPage.ts"
import type { WatchJob, WatchOutput, WatchView } from "../../../src/adapters/web/WatchView.ts"
import { launchChromium } from "../../support/chromium.ts"

const mediaTypes: Readonly<Record<string, string>> = {
  ".mpd": "application/dash+xml",
  ".m3u8": "application/vnd.apple.mpegurl",
  ".m4s": "video/iso.segment"
}

const output: WatchOutput = {
  publishedAt: new Date(),
  manifestUrl: "/videos/test/manifest.mpd",
  masterUrl: "/videos/test/master.m3u8",
  dashUrl: "/videos/test/manifest.mpd",
  posterUrl: null,
  renditions: []
}

const view: WatchView = {
  slug: "test",
  title: "Test",
  createdAt: new Date(),
  source: { durationSeconds: 6, width: 640, height: 360, bytes: 500_000 },
  output,
  job: null
}

let directory: string
let server: Server
let browser: Browser
let origin: string
let job: WatchJob | null = null
const requested: Array<string> = []

const makeLadder = () =>
  promisify(execFile)("ffmpeg", [
    ..."-nostdin -v error -f lavfi -i testsrc2=size=640x360:rate=25:duration=6".split(" "),
    ..."-f lavfi -i sine=frequency=440:duration=6".split(" "),
    ..."-filter_complex [0:v]split[large][b];[b]scale=320:180[small]".split(" "),
    ..."-map [large] -map [small] -map 1:a -c:v libx264 -preset ultrafast -pix_fmt yuv420p".split(" "),
    ..."-g 50 -keyint_min 50 -sc_threshold 0 -b:v:0 600k -b:v:1 150k -c:a aac".split(" "),
    ..."-f dash -seg_duration 2 -hls_playlist 1 -adaptation_sets".split(" "),
    "id=0,streams=v id=1,streams=a",
    join(directory, "manifest.mpd")
  ])

const pages: Readonly<Record<string, () => string>> = {
  "/": () => listPage({ address: origin, videos: [], jobs: [] }),
  "/watch/test": () => watchPage(view),
  "/watch/broken": () => watchPage({ ...view, output: { ...output, manifestUrl: "/videos/gone/manifest.mpd" } }),
  "/watch/pending": () => watchPage({ ...view, output: job === null ? output : null, job })
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "vlog-player-"))
  await makeLadder()
  server = createServer((request, response) => {
    const path = new URL(request.url ?? "/", "http://localhost").pathname
    requested.push(path)
    const page = pages[path]
    const asset = findAsset(path)
    if (page !== undefined) return response.writeHead(200, pageHeaders).end(page())
    if (asset !== undefined) return response.writeHead(200, assetHeaders(asset)).end(asset.body)
    const contentType = mediaTypes[extname(path)] ?? "application/octet-stream"
    return readFile(join(directory, path.startsWith("/videos/test/") ? basename(path) : "missing")).then(
      (body) => response.writeHead(200, { "content-type": contentType }).end(body),
      () => response.writeHead(404, pageHeaders).end(notFoundPage({ path }))
    )
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  browser = await launchChromium()
}, 60_000)

afterAll(async () => {
  await browser?.close()
  server?.closeAllConnections()
  server?.close()
  await rm(directory, { recursive: true, force: true })
})

/** A page together with everything that it complained about or asked a stranger for. */
const visit = async (path: string) => {
  const page = await browser.newPage({ viewport: { width: 1000, height: 800 } })
  const complaints: Array<string> = []
  const foreign: Array<string> = []
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") complaints.push(message.text())
  })
  page.on("pageerror", (error) => complaints.push(error.message))
  page.on("request", (request) => {
    if (!/^(blob|data):/.test(request.url()) && !request.url().startsWith(`${origin}/`)) foreign.push(request.url())
  })
  await page.goto(origin + path)
  return { page, complaints, foreign }
}

const currentTime = (page: Page) =>
  page.locator("video").evaluate((video) => (video as { currentTime?: number }).currentTime ?? 0)

/** Waits for an expression from the outside: inside the page the policy forbids evaluating text. */
const until = (page: Page, expression: string) =>
  expect.poll(() => page.evaluate(expression), { timeout: 15_000 }).toBe(true)

const stateIs = (page: Page, state: string) =>
  page.locator(`#player[data-state="${state}"]`).waitFor({ state: "attached", timeout: 15_000 })

describe("the watch page in Chromium", () => {
  it("plays DASH, offers every rendition, and asks nobody else for anything", { timeout: 60_000 }, async () => {
    requested.length = 0
    const { page, complaints, foreign } = await visit("/watch/test")
    await stateIs(page, "ready")
    await page.mouse.move(500, 300)

    await page.locator(".shaka-controls-button-panel .shaka-resolution-button").click()
    const menu = page.locator(".shaka-resolutions")
    assert.includeMembers(await menu.locator(".explicit-resolution").allInnerTexts(), ["360p", "180p"])
    await menu.getByText("180p").click()

    await page.locator(".shaka-controls-button-panel .shaka-play-button").click()
    await stateIs(page, "playing")
    const before = await currentTime(page)
    await until(page, `document.querySelector("video").currentTime > ${before + 1}`)
    await until(page, "window.vlogPlayer.getVideoTracks().find((track) => track.active).height === 180")

    assert.isAtLeast(requested.filter((path) => path.endsWith(".m4s")).length, 2)
    assert.strictEqual(requested.filter((path) => path.endsWith(".mpd")).length, 1)
    assert.deepStrictEqual(complaints, [])
    assert.deepStrictEqual(foreign, [])
    await page.close()
  })

  it("obeys the keyboard", { timeout: 60_000 }, async () => {
    const { page, complaints } = await visit("/watch/test")
    await stateIs(page, "ready")
    await page.keyboard.press("k")
    await stateIs(page, "playing")
    await page.keyboard.press("k")
    await stateIs(page, "paused")
    await page.keyboard.press("5")
    await until(page, `Math.abs(document.querySelector("video").currentTime - 3) < 0.3`)
    await page.keyboard.press("ArrowLeft")
    await until(page, `document.querySelector("video").currentTime < 1`)

    // On a control outside the player the space bar keeps its own meaning.
    await page.locator(".keyboard summary").focus()
    await page.keyboard.press("Space")
    assert.isTrue(await page.locator(".keyboard ul").isVisible())
    assert.strictEqual(await page.locator("#player").getAttribute("data-state"), "paused")
    assert.deepStrictEqual(complaints, [])
    await page.close()
  })

  it("says in words what went wrong", { timeout: 60_000 }, async () => {
    const { page } = await visit("/watch/broken")
    await stateIs(page, "error")
    assert.include(await page.getByRole("alert").innerText(), "missing on the server: gone/manifest.mpd")
    assert.include((await page.locator("#player").getAttribute("data-error")) ?? "", "missing on the server")
    await page.close()
  })

  it("uses the browser's own HLS where there is no MediaSource", { timeout: 60_000 }, async () => {
    const page = await browser.newPage()
    await page.addInitScript(`
      delete window.MediaSource
      delete window.ManagedMediaSource
      delete window.WebKitMediaSource
      HTMLMediaElement.prototype.canPlayType = (type) => /mpegurl/i.test(type) ? "maybe" : ""
    `)
    const asked = page.waitForRequest((request) => request.url().endsWith("/master.m3u8"))
    await page.goto(`${origin}/watch/test`)
    await asked
    await page.close()
  })

  it("follows a job until the player appears", { timeout: 60_000 }, async () => {
    job = { state: "transcoding", percent: 10, secondsLeft: null }
    const { page, complaints } = await visit("/watch/pending")
    await page.getByText("10 per cent done").waitFor()
    job = { state: "transcoding", percent: 80, secondsLeft: 5 }
    await page.getByText("80 per cent done").waitFor()
    job = null
    await stateIs(page, "ready")
    assert.deepStrictEqual(complaints, [])
    await page.close()
  })

  it("copies an address as a whole", { timeout: 60_000 }, async () => {
    const { page } = await visit("/watch/test")
    assert.strictEqual(await page.getByLabel("HLS", { exact: true }).inputValue(), `${origin}/videos/test/master.m3u8`)
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"])
    await page.getByLabel("Copy the DASH address").click()
    await page.getByText("Copied").waitFor()
    assert.strictEqual(await page.evaluate("navigator.clipboard.readText()"), `${origin}/videos/test/manifest.mpd`)
    await page.close()
  })
})

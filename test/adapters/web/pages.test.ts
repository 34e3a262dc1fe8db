import { assert, describe, it } from "vitest"
import { assetHeaders, assets, assetUrl, contentSecurityPolicy, findAsset } from "../../../src/adapters/web/assets.ts"
import * as Format from "../../../src/adapters/web/Format.ts"
import { html } from "../../../src/adapters/web/Html.ts"
import { listPage, type ListView } from "../../../src/adapters/web/ListPage.ts"
import { notFoundPage } from "../../../src/adapters/web/NotFoundPage.ts"
import { watchPage } from "../../../src/adapters/web/WatchPage.ts"
import type { WatchJob, WatchOutput, WatchView } from "../../../src/adapters/web/WatchView.ts"

const hostile = `<script>alert("1")</script>' onload='x & y`

const output: WatchOutput = {
  publishedAt: new Date("2026-03-05T14:05:00Z"),
  manifestUrl: "/videos/harbour/manifest.mpd",
  masterUrl: "/videos/harbour/master.m3u8",
  dashUrl: "/videos/harbour/manifest.mpd",
  posterUrl: "/videos/harbour/thumbnail.jpg",
  renditions: [
    {
      name: "1080p",
      codec: "avc1.640028",
      width: 1920,
      height: 1080,
      frameRate: 30_000 / 1001,
      averageBitRate: 5_012_345,
      peakBitRate: 7_300_000,
      segments: 6
    },
    {
      name: "Audio",
      codec: "mp4a.40.2",
      width: null,
      height: null,
      frameRate: null,
      averageBitRate: 128_000,
      peakBitRate: null,
      segments: 7
    }
  ]
}

const watchView: WatchView = {
  slug: "harbour",
  title: "Harbour",
  createdAt: new Date("2026-03-05T14:03:00Z"),
  source: {
    durationSeconds: 3724.2,
    width: 1920,
    height: 1080,
    bytes: 48_123_456
  },
  output,
  job: null
}

const listView: ListView = {
  address: "http://localhost:9002",
  videos: [
    {
      slug: "harbour",
      title: "Harbour",
      state: "published",
      durationSeconds: 24,
      bestResolution: "1080p",
      createdAt: new Date("2026-03-05T14:03:00Z"),
      posterUrl: "/videos/harbour/thumbnail.jpg"
    }
  ],
  jobs: [
    {
      id: "0198f7aa-2222-7000-8000-123456789abc",
      videoSlug: "harbour",
      videoTitle: "Harbour",
      state: "failed",
      percent: 12.9,
      attempt: 3,
      workerName: "worker-2",
      lastError: "moov atom not found"
    }
  ]
}

const waiting = (job: WatchJob | null): string => watchPage({ ...watchView, output: null, job })

describe("html", () => {
  it("escapes every interpolated value and passes nested html", () => {
    assert.strictEqual(
      html`<p title="${'"><b>'}">${["<i>", html`<b>${"&"}</b>`, 7, null, false, undefined]}</p>`.text,
      `<p title="&quot;&gt;&lt;b&gt;">&lt;i&gt;<b>&amp;</b>7</p>`
    )
    assert.strictEqual(html`${"'"}`.text, "&#39;")
  })
})

describe("Format", () => {
  it("writes durations, sizes and rates as people read them", () => {
    assert.deepStrictEqual([0, 24, 75.4, 3599.6, 3700].map(Format.duration), [
      "0:00",
      "0:24",
      "1:15",
      "1:00:00",
      "1:01:40"
    ])
    assert.deepStrictEqual([0, 999, 999_999, 48_123_456, 5e12].map(Format.bytes), [
      "0 B",
      "999 B",
      "1.00 MB",
      "48.1 MB",
      "5.00 TB"
    ])
    assert.strictEqual(Format.bitRate(128_345), "128 kb/s")
    assert.strictEqual(Format.frameRate(30_000 / 1001), "29.97 fps")
    assert.strictEqual(Format.frameRate(25), "25 fps")
    assert.deepStrictEqual([-1, 42.9, 99.99, 120].map(Format.percent), [0, 42, 99, 100])
    assert.strictEqual(Format.roughly(130), "about 2 minutes")
  })
})

describe("watchPage", () => {
  it("shows the player, the facts and the renditions of a published video", () => {
    const page = watchPage(watchView)
    assert.include(page, `data-manifest="/videos/harbour/manifest.mpd"`)
    assert.include(page, `data-master="/videos/harbour/master.m3u8"`)
    assert.include(page, `poster="/videos/harbour/thumbnail.jpg"`)
    for (const fact of ["1:02:04", "1920 × 1080", "29.97 fps", "48.1 MB"]) assert.include(page, fact)
    for (const column of ["avc1.640028", "5.01 Mb/s", "7.30 Mb/s", "mp4a.40.2", "128 kb/s"]) {
      assert.include(page, column)
    }
    assert.include(page, `<time datetime="2026-03-05T14:05:00.000Z">`)
    assert.notInclude(page, "data-refresh")
  })

  it("names a DASH address only where there is one", () => {
    assert.include(watchPage(watchView), `value="/videos/harbour/manifest.mpd"`)
    const page = watchPage({ ...watchView, output: { ...output, manifestUrl: output.masterUrl, dashUrl: null } })
    assert.include(page, `value="/videos/harbour/master.m3u8"`)
    assert.notInclude(page, "DASH")
  })

  it("says the state of an unpublished video instead of showing a player", () => {
    for (const job of [null, { state: "waiting" }] as const) {
      assert.include(waiting(job), "In the queue")
      assert.include(waiting(job), `data-refresh="2"`)
    }
    const transcoding = waiting({ state: "transcoding", percent: 42.7, secondsLeft: 130 })
    assert.include(transcoding, `<progress max="100" value="42"`)
    assert.include(transcoding, "About 2 minutes left")
    assert.include(transcoding, `data-refresh="2"`)
    const failed = waiting({ state: "failed", reason: "moov atom not found" })
    assert.include(failed, "moov atom not found")
    assert.notInclude(failed, "data-refresh")
    assert.notInclude(waiting({ state: "cancelled" }), "data-refresh")
    for (const page of [waiting(null), transcoding, failed]) {
      assert.notInclude(page, "<video")
      assert.notInclude(page, "shaka")
    }
  })

  it("keeps the player of what is published while a newer version is made", () => {
    const page = watchPage({ ...watchView, job: { state: "transcoding", percent: 5, secondsLeft: null } })
    assert.include(page, "<video")
    assert.include(page, "A new version is 5 per cent done")
    assert.include(page, `data-refresh="2"`)
  })

  it("shows only the facts that are known", () => {
    const source = { durationSeconds: null, width: null, height: null, bytes: 5 }
    const page = watchPage({ ...watchView, source })
    assert.include(page, "5 B")
    assert.notInclude(page, "Duration")
    assert.notInclude(page, "Resolution")
    assert.notInclude(page, "null")
  })
})

describe("listPage", () => {
  it("lists videos and jobs", () => {
    const page = listPage(listView)
    assert.include(page, `href="/watch/harbour"`)
    for (const text of ["1080p", "0:24", "Published", "56789abc", "12 %", "worker-2", "moov atom not found"]) {
      assert.include(page, text)
    }
    assert.notInclude(page, "data-refresh")
  })

  it("refreshes while a job waits or runs", () => {
    for (const state of ["waiting", "transcoding"] as const) {
      assert.include(listPage({ ...listView, jobs: [{ ...listView.jobs[0]!, state }] }), `data-refresh="2"`)
    }
  })

  it("says how to upload when there is nothing yet", () => {
    const page = listPage({ address: "http://farm.example:9002", videos: [], jobs: [] })
    assert.include(page, "npm start -- my-video.mp4")
    assert.include(
      page,
      "curl -T my-video.mp4 -X POST -H &quot;X-Admin-Secret: ...&quot; " +
        "&quot;http://farm.example:9002/api/videos?filename=my-video.mp4&quot;"
    )
  })

  it("encodes a slug as one part of the path", () => {
    const page = listPage({ ...listView, videos: [{ ...listView.videos[0]!, slug: "a/../b?c" }] })
    assert.include(page, `href="/watch/a%2F..%2Fb%3Fc"`)
  })
})

const everyPage: ReadonlyArray<readonly [string, string]> = [
  ["published", watchPage({ ...watchView, title: hostile })],
  ["failed", watchPage({ ...watchView, title: hostile, output: null, job: { state: "failed", reason: hostile } })],
  [
    "list",
    listPage({
      address: "/",
      videos: [{ ...listView.videos[0]!, title: hostile, slug: hostile }],
      jobs: [{ ...listView.jobs[0]!, id: hostile, videoTitle: hostile, workerName: hostile, lastError: hostile }]
    })
  ],
  ["empty", listPage({ address: "/", videos: [], jobs: [] })],
  ["not found", notFoundPage({ path: `/${hostile}` })]
]

describe.each(everyPage)("the page %s", (_, page) => {
  it("escapes what people named", () => {
    assert.notInclude(page, "<script>alert")
    assert.notMatch(page, /onload='x/)
  })

  it("has no inline script or style, which the policy would refuse", () => {
    for (const [, attributes] of page.matchAll(/<script([^>]*)>/g)) assert.include(attributes, "src=")
    assert.notMatch(page, /<style|\sstyle="|\son\w+="/)
  })

  it("names nothing outside this server", () => {
    assert.notMatch(page, /(?:src|href|poster|action|data-\w+)="(?:[a-z]+:)?\/\//i)
  })

  it("loads only assets that are served", () => {
    for (const [, path] of page.matchAll(/"(\/assets\/[^"?]+)/g)) assert.isDefined(findAsset(path!), path)
  })
})

describe("assets", () => {
  it("are served with a type, an entity tag and a name that changes with the content", () => {
    for (const asset of assets) {
      assert.isAbove(asset.body.length, 0)
      assert.strictEqual(assetHeaders(asset)["content-type"], asset.contentType)
      assert.match(assetUrl(asset.path), /\?v=[\w-]{16}$/)
    }
    assert.isUndefined(findAsset("/assets/../assets.ts"))
  })

  // Names of XML and DASH vocabularies are not addresses that anyone fetches; the one of the Cast library is turned
  // off by `castSenderUrl` in watch.js, which player.test.ts watches from the outside.
  it("name no outside address that a page would fetch", () => {
    const vocabulary =
      /^(www\.w3\.org|dashif\.org|aomedia\.org|developer\.apple\.com|www\.smpte-ra\.org|www\.apache\.org|github\.com|bit\.ly)$/
    for (const asset of assets) {
      const text = Buffer.from(asset.body).toString("utf8")
      const hosts = [...text.matchAll(/https?:\/\/([\w.-]+)/g)].map(([, host]) => host!)
      const foreign = hosts.filter((host) => !vocabulary.test(host))
      assert.deepStrictEqual(foreign, asset.path.endsWith("shaka-player.ui.js") ? ["www.gstatic.com"] : [], asset.path)
      if (asset.contentType.startsWith("text/css")) assert.notMatch(text, /@import|@font-face|url\(["']?https?:/)
    }
  })

  it("need no exception from the policy for scripts or styles", () => {
    assert.notInclude(contentSecurityPolicy, "unsafe")
    assert.notInclude(contentSecurityPolicy, "http")
  })
})

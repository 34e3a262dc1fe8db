/** What viewers open: pages, assets of the pages, and published output. Everything here is read-only and public. */
import { Cache, Duration, Effect, Exit, Option, Schema } from "effect"
import { type Headers, HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import { LeaseId } from "../../domain/ids.ts"
import { thumbnailPath } from "../../domain/media/Delivered.ts"
import * as DashManifest from "../../domain/media/DashManifest.ts"
import * as HlsPlaylist from "../../domain/media/HlsPlaylist.ts"
import { JobStore } from "../../domain/ports/JobStore.ts"
import { MediaStore } from "../../domain/ports/MediaStore.ts"
import type { StoreUnavailable } from "../../domain/ports/StoreUnavailable.ts"
import { VideoStore } from "../../domain/ports/VideoStore.ts"
import { fileResponse } from "../http/FileResponse.ts"
import { assetHeaders, findAsset, pageHeaders } from "./assets.ts"
import { listPage } from "./ListPage.ts"
import { notFoundPage } from "./NotFoundPage.ts"
import { jobRow, videoRow, watchView } from "./Views.ts"
import { watchPage } from "./WatchPage.ts"

const listed = 100

const contentTypes: Readonly<Record<string, string>> = {
  m3u8: "application/vnd.apple.mpegurl",
  mpd: "application/dash+xml",
  mp4: "video/mp4",
  m4s: "video/iso.segment",
  jpg: "image/jpeg",
  ts: "video/mp2t",
  vtt: "text/vtt"
}

const contentType = (name: string) => contentTypes[name.slice(name.lastIndexOf(".") + 1)] ?? "application/octet-stream"

/** Players of other sites may read what is published. */
const shared = { "access-control-allow-origin": "*", "access-control-expose-headers": "content-range, content-length" }

/** What a pointer names may change; what lies below a publication's own address never does. */
const pointerHeaders = { ...shared, "cache-control": "public, max-age=0, must-revalidate" }
const immutableHeaders = { ...shared, "cache-control": "public, max-age=31536000, immutable" }

const entryPoints: ReadonlySet<string> = new Set([HlsPlaylist.masterName, DashManifest.manifestName, thumbnailPath])

/** `<publication>/<rendition>/<file>` or `<publication>/<file>`: nothing else is ever joined to a path. */
const publishedPath =
  /^([0-9a-f-]{36})\/((?:[a-z0-9][a-z0-9-]{0,31}\/)?[A-Za-z0-9_][A-Za-z0-9_-]{0,99}\.[a-z0-9]{1,4})$/
const isLeaseId = Schema.is(LeaseId)

const page = (body: string, status = 200) =>
  HttpServerResponse.html(body).pipe(HttpServerResponse.setStatus(status), HttpServerResponse.setHeaders(pageHeaders))

const notFound = (path: string) => page(notFoundPage({ path }), 404)
const missing = HttpServerResponse.text("Not found\n", { status: 404, headers: shared })
const away = HttpServerResponse.text("Temporarily unavailable, please retry\n", {
  status: 503,
  headers: { "retry-after": "5" }
})

/** Whoever copies the example is to send his secret as safely as he came here. */
const addressOf = (headers: Headers.Headers) =>
  `${headers["x-forwarded-proto"] === "https" ? "https" : "http"}://${headers["host"] ?? "localhost"}`

export const routes = HttpRouter.use(
  Effect.fn(function* (router) {
    const videos = yield* VideoStore
    const jobs = yield* JobStore
    const media = yield* MediaStore

    // A playing viewer asks for a segment every few seconds; that it may does not change, that it may not does.
    const readable = yield* Cache.makeWith(
      (key: string) => {
        const [slug = "", publication = ""] = key.split("/")
        return isLeaseId(publication) ? videos.isPublished(slug, publication) : Effect.succeed(false)
      },
      {
        capacity: 4096,
        timeToLive: (exit) => (Exit.isSuccess(exit) && exit.value ? Duration.minutes(1) : Duration.zero)
      }
    )

    const list = Effect.gen(function* () {
      const request = yield* HttpServerRequest.HttpServerRequest
      const found = yield* videos.list({ limit: listed, offset: 0 })
      const recent = yield* jobs.jobs({ limit: listed, offset: 0 })
      const titles = new Map(found.map((video) => [video.id, video.title]))
      const latest = new Map(recent.toReversed().map((job) => [job.videoId, job]))
      return page(
        listPage({
          address: addressOf(request.headers),
          videos: found.map((video) => videoRow(video, latest.get(video.id) ?? null)),
          jobs: recent.map((job) => jobRow(job, titles.get(job.videoId) ?? job.slug))
        })
      )
    })

    const watch = Effect.gen(function* () {
      const { slug = "" } = yield* HttpRouter.params
      const video = yield* videos.bySlug(slug)
      if (Option.isNone(video)) return notFound(`/watch/${slug}`)
      const { id, published } = video.value
      const presentation = published === null ? Option.none() : yield* videos.publication(id, published)
      const job = yield* jobs.latestJob(id)
      return page(watchPage(watchView(video.value, Option.getOrNull(presentation), Option.getOrNull(job))))
    })

    const entryPoint = Effect.fnUntraced(function* (slug: string, name: string) {
      const video = yield* videos.bySlug(slug)
      const published = Option.getOrNull(video)?.published ?? null
      if (published === null) return missing
      const answer = yield* fileResponse({
        path: media.publicationPath(published, name),
        etag: `"${published}-${name}"`,
        contentType: contentType(name),
        headers: pointerHeaders
      })
      return answer ?? missing
    })

    const published = Effect.gen(function* () {
      const { "*": rest = "", slug = "" } = yield* HttpRouter.params
      if (entryPoints.has(rest)) return yield* entryPoint(slug, rest)
      const [, publication = "", path = ""] = publishedPath.exec(rest) ?? []
      if (!isLeaseId(publication) || !(yield* Cache.get(readable, `${slug}/${publication}`))) return missing
      const answer = yield* fileResponse({
        path: media.publicationPath(publication, path),
        etag: `"${publication}-${path.replace("/", "-")}"`,
        contentType: contentType(path),
        headers: immutableHeaders
      })
      return answer ?? missing
    })

    const asset = Effect.gen(function* () {
      const { "*": rest = "" } = yield* HttpRouter.params
      const request = yield* HttpServerRequest.HttpServerRequest
      const found = findAsset(`/assets/${rest}`)
      if (found === undefined) return missing
      const headers = assetHeaders(found)
      return request.headers["if-none-match"] === found.etag
        ? HttpServerResponse.empty({ status: 304, headers })
        : HttpServerResponse.uint8Array(found.body, { headers })
    })

    const unlessAway = <A, E, R>(effect: Effect.Effect<A, E | StoreUnavailable, R>) =>
      Effect.catchTag(effect as Effect.Effect<A, StoreUnavailable, R>, "StoreUnavailable", (error) =>
        Effect.as(Effect.logError("database unavailable", { problem: error.message }), away)
      )

    yield* router.add("GET", "/", unlessAway(list))
    yield* router.add("GET", "/watch/:slug", unlessAway(watch))
    yield* router.add("GET", "/assets/*", asset)
    yield* router.add("GET", "/videos/:slug/*", unlessAway(published))
  })
)

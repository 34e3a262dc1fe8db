/** VideoStore on PostgreSQL. */
import { Effect, Layer, Option, Schema } from "effect"
import { type LeaseId, VideoId } from "../../domain/ids.ts"
import { Published } from "../../domain/media/PlaylistPresentation.ts"
import { JobStore } from "../../domain/ports/JobStore.ts"
import { type VideoFilter, VideoStore } from "../../domain/ports/VideoStore.ts"
import * as Slug from "../../domain/videos/Slug.ts"
import { Video } from "../../domain/videos/Video.ts"
import { Db, type Sql } from "./Db.ts"
import { makeRemoval } from "./VideoRemoval.ts"
import { Count, sourceColumns, storeUnavailable, videoStatus } from "./Rows.ts"

const videoColumns = `
  v.id,
  v.slug,
  v.title,
  ${videoStatus}   as "status",
  ${sourceColumns} as "source",
  case when v.duration is null then null
       else jsonb_build_object('duration', v.duration, 'width', v.width, 'height', v.height)
  end              as "facts",
  v.published,
  v.published_at   as "publishedAt",
  v.created_at     as "createdAt"`

/** No wildcard in what people look for. */
const literally = (text: string) => `%${text.replace(/[\\%_]/g, "\\$&")}%`

const matching = (sql: Sql, { sha256, status, text }: VideoFilter) =>
  sql`
    true
    ${sha256 === undefined ? sql`` : sql`and v.source_sha256 = ${sha256}`}
    ${text === undefined ? sql`` : sql`and (v.slug ilike ${literally(text)} or v.title ilike ${literally(text)})`}
    ${status === undefined ? sql`` : sql`and ${sql.unsafe(videoStatus)} = ${status}`}`

const Inserted = Schema.Struct({ id: VideoId })

const make = Effect.gen(function* () {
  const db = yield* Db
  const jobs = yield* JobStore

  /** Takes the first free variant of the slug; of more at once, the more are taken: many a film is called `video.mp4`. */
  const insert = Effect.fnUntraced(function* (options: Omit<Parameters<VideoStore["Service"]["create"]>[0], "store">) {
    for (let first = 1, count = 1; ; first += count, count *= 16) {
      const slugs = Array.from({ length: count }, (_, index) => Slug.variant(options.slug, first + index))
      const [row] = yield* db.rows(
        Inserted,
        (sql) =>
          sql`
          insert into video (slug, title, source_file_name, source_extension, source_bytes, source_sha256)
          select c.slug, ${options.title}, ${options.source.fileName}, ${options.source.extension},
                 ${options.source.bytes}::bigint, ${options.source.sha256}
            from unnest(${slugs}::text[]) with ordinality as c (slug, place)
           where not exists (select from video v where v.slug = c.slug)
           order by c.place
           limit 1
          on conflict (slug) do nothing
          returning id`
      )
      if (row !== undefined) return row.id
    }
  })

  const byId = Effect.fn("VideoStore.byId")(function* (id: VideoId) {
    const rows = yield* db.rows(Video, (sql) => sql`select ${sql.unsafe(videoColumns)} from video v where v.id = ${id}`)
    return Option.fromNullishOr(rows[0])
  }, storeUnavailable)

  const bySlug = Effect.fn("VideoStore.bySlug")(function* (slug: string) {
    const rows = yield* db.rows(
      Video,
      (sql) => sql`select ${sql.unsafe(videoColumns)} from video v where v.slug = ${slug}`
    )
    return Option.fromNullishOr(rows[0])
  }, storeUnavailable)

  const create: VideoStore["Service"]["create"] = (options) =>
    db
      .transaction(
        Effect.gen(function* () {
          const id = yield* insert(options)
          const job = yield* jobs.enqueue({ video: id, ...options.wishes })
          yield* options.store(id)
          const video = yield* byId(id)
          return { video: Option.getOrThrow(video), job: Option.getOrThrow(job) }
        })
      )
      .pipe(Effect.withSpan("VideoStore.create"), storeUnavailable)

  const list = Effect.fn("VideoStore.list")(function* (
    options: VideoFilter & { readonly limit: number; readonly offset: number }
  ) {
    return yield* db.rows(
      Video,
      (sql) =>
        sql`
        select ${sql.unsafe(videoColumns)}
          from video v
         where ${matching(sql, options)}
         order by v.id desc
         limit ${options.limit} offset ${options.offset}`
    )
  }, storeUnavailable)

  const count = Effect.fn("VideoStore.count")(function* (filter: VideoFilter) {
    const [row] = yield* db.rows(
      Count,
      (sql) => sql`select count(*)::int as count from video v where ${matching(sql, filter)}`
    )
    return row!.count
  }, storeUnavailable)

  const publication = Effect.fn("VideoStore.publication")(function* (video: VideoId, publication: LeaseId) {
    const rows = yield* db.rows(
      Schema.Struct({ presentation: Published }),
      (sql) => sql`select presentation from publication where id = ${publication} and video_id = ${video}`
    )
    return Option.map(Option.fromNullishOr(rows[0]), (row) => row.presentation)
  }, storeUnavailable)

  const isPublished = Effect.fn("VideoStore.isPublished")(function* (slug: string, publication: LeaseId) {
    const rows = yield* db.query(
      (sql) =>
        sql`select from publication p join video v on v.id = p.video_id where p.id = ${publication} and v.slug = ${slug}`
    )
    return rows.length > 0
  }, storeUnavailable)

  return VideoStore.of({ create, byId, bySlug, list, count, publication, isPublished, ...(yield* makeRemoval) })
})

export const layer = Layer.effect(VideoStore, make)

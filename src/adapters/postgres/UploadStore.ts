/** UploadStore on PostgreSQL: one conditional statement a step, by the clock of the database. */
import { Duration, Effect, Layer, Option, Schema } from "effect"
import { randomUUID } from "node:crypto"
import { ArrivingId, type UploadId } from "../../domain/ids.ts"
import { UploadRefused, UploadStore } from "../../domain/ports/UploadStore.ts"
import { Upload } from "../../domain/videos/Upload.ts"
import type { Video } from "../../domain/videos/Video.ts"
import { Db, type Sql } from "./Db.ts"
import { Count, storeUnavailable, traceOf } from "./Rows.ts"

/** A lost process keeps others from its uploads for so long; it says every few seconds that it is there. */
const writerSeconds = 15

const columns = `
  u.id,
  u.bytes,
  u.received,
  u.metadata,
  u.fingerprint,
  u.arriving,
  ${traceOf("u")} as "trace",
  u.created_at  as "createdAt",
  u.expires_at  as "expiresAt",
  u.video_id    as "video"`

const Situation = Schema.Struct({ ...Upload.fields, expired: Schema.Boolean, busy: Schema.Boolean })
const Promised = Schema.Struct({ bytes: Schema.Int })
const Removed = Schema.Struct({ arriving: Upload.fields.arriving })
const TakenRow = Schema.Struct({ ...Upload.fields, unclean: Schema.Boolean })

/** Can be gone on with. */
const open = (sql: Sql, fingerprint?: string) =>
  sql`
    u.video_id is null
    and u.expires_at > clock_timestamp()
    ${fingerprint === undefined ? sql`` : sql`and u.fingerprint = ${fingerprint}`}`

const make = Effect.fnUntraced(function* (life: Duration.Input) {
  const db = yield* Db
  const lifeSeconds = Duration.toSeconds(life)
  const ahead = (sql: Sql, seconds: number) => sql`clock_timestamp() + make_interval(secs => ${seconds})`

  const create: UploadStore["Service"]["create"] = Effect.fn("UploadStore.create")(function* (options) {
    const { bytes, fingerprint, metadata, trace } = options
    const [row] = yield* db.rows(
      Upload,
      (sql) =>
        sql`
        insert into upload as u (bytes, metadata, fingerprint, traceparent, tracestate, expires_at)
        values (${bytes}, ${metadata}, ${fingerprint}, ${trace?.traceparent ?? null}, ${trace?.tracestate ?? null},
                ${ahead(sql, lifeSeconds)})
        returning ${sql.unsafe(columns)}`
    )
    return row!
  }, storeUnavailable)

  const situation = Effect.fnUntraced(function* (id: UploadId) {
    const [row] = yield* db.rows(
      Situation,
      (sql) =>
        sql`
        select ${sql.unsafe(columns)},
               u.expires_at <= clock_timestamp()               as "expired",
               coalesce(u.writer_until > clock_timestamp(), false) as "busy"
          from upload u
         where u.id = ${id}`
    )
    return Option.fromUndefinedOr(row)
  })

  /** After a conditional statement that touched no row: why. */
  const refusal = Effect.fnUntraced(function* (id: UploadId, bytes: number | null) {
    const found = yield* situation(id)
    if (Option.isNone(found)) return new UploadRefused({ reason: "not-found" })
    const { busy, expired, video } = found.value
    const isOther = bytes !== null && found.value.bytes !== null && bytes !== found.value.bytes
    if (expired) return new UploadRefused({ reason: "expired" })
    if (video !== null) return new UploadRefused({ reason: "finished" })
    if (isOther) return new UploadRefused({ reason: "length" })
    return new UploadRefused({ reason: busy ? "busy" : "offset" })
  })

  const find = Effect.fn("UploadStore.find")(function* (id: UploadId) {
    const found = yield* situation(id)
    if (Option.isNone(found) || found.value.expired) return yield* yield* refusal(id, null)
    return found.value
  }, storeUnavailable)

  const list: UploadStore["Service"]["list"] = Effect.fn("UploadStore.list")(function* (options) {
    return yield* db.rows(
      Upload,
      (sql) =>
        sql`
        select ${sql.unsafe(columns)}
          from upload u
         where ${open(sql, options.fingerprint)}
         order by u.created_at desc, u.id
         limit ${options.limit} offset ${options.offset}`
    )
  }, storeUnavailable)

  const count: UploadStore["Service"]["count"] = Effect.fn("UploadStore.count")(function* ({ fingerprint }) {
    const [row] = yield* db.rows(
      Count,
      (sql) => sql`select count(*)::int as count from upload u where ${open(sql, fingerprint)}`
    )
    return row!.count
  }, storeUnavailable)

  const promised = db
    .rows(
      Promised,
      (sql) => sql`select coalesce(sum(u.bytes - u.received), 0)::bigint as bytes from upload u where ${open(sql)}`
    )
    .pipe(
      Effect.map(([row]) => row!.bytes),
      storeUnavailable
    )

  const take: UploadStore["Service"]["take"] = Effect.fn("UploadStore.take")(function* (id, { bytes, offset }) {
    const token = ArrivingId.make(randomUUID())
    const [row] = yield* db.rows(
      TakenRow,
      (sql) =>
        sql`
        with before as materialized (
          select id, writer from upload where id = ${id} for update
        )
        update upload u
           set bytes = coalesce(u.bytes, ${bytes}),
               writer = ${token}, writer_until = ${ahead(sql, writerSeconds)}, expires_at = ${ahead(sql, lifeSeconds)}
          from before b
         where u.id = b.id
           and u.received = ${offset}
           and (u.bytes is null or u.bytes = coalesce(${bytes}, u.bytes))
           and u.video_id is null
           and u.expires_at > clock_timestamp()
           and (u.writer is null or u.writer_until < clock_timestamp())
        returning ${sql.unsafe(columns)}, b.writer is not null as "unclean"`
    )
    if (row === undefined) return yield* yield* refusal(id, bytes)
    const { unclean, ...upload } = row
    return { upload, token, unclean }
  }, storeUnavailable)

  const keep: UploadStore["Service"]["keep"] = Effect.fn("UploadStore.keep")(function* (token, state) {
    const kept = yield* db.query(
      (sql) =>
        sql`
        update upload
           set received = ${state.received}, arriving = ${state.arriving},
               writer_until = ${ahead(sql, writerSeconds)}, expires_at = ${ahead(sql, lifeSeconds)}
         where writer = ${token}
        returning id`
    )
    if (kept.length === 0) return yield* new UploadRefused({ reason: "taken" })
  }, storeUnavailable)

  const release = Effect.fn("UploadStore.release")(function* (token: ArrivingId, received: number) {
    yield* db.query(
      (sql) =>
        sql`
        update upload
           set received = ${received}, writer = null, writer_until = null, expires_at = ${ahead(sql, lifeSeconds)}
         where writer = ${token}`
    )
  }, storeUnavailable)

  const finish = <E, R>(token: ArrivingId, createVideo: Effect.Effect<Video, E, R>) =>
    db
      .transaction(
        Effect.gen(function* () {
          const held = yield* db.query(
            (sql) => sql`select from upload where writer = ${token} and video_id is null for update`
          )
          if (held.length === 0) return yield* new UploadRefused({ reason: "taken" })
          const video = yield* createVideo
          yield* db.query(
            (sql) =>
              sql`
              update upload
                 set video_id = ${video.id}, received = bytes, arriving = null, writer = null, writer_until = null,
                     expires_at = ${ahead(sql, lifeSeconds)}
               where writer = ${token}`
          )
          return video
        })
      )
      .pipe(Effect.withSpan("UploadStore.finish"), storeUnavailable)

  const remove = Effect.fn("UploadStore.remove")(function* (id: UploadId) {
    const rows = yield* db.rows(Removed, (sql) => sql`delete from upload where id = ${id} returning arriving`)
    return Option.fromUndefinedOr(rows[0])
  }, storeUnavailable)

  return UploadStore.of({
    create,
    find,
    list,
    count,
    promised,
    take,
    keep,
    release,
    finish,
    remove
  })
})

/** `life`: how long an upload to which nothing is added is kept. */
export const layer = (options: { readonly life: Duration.Input }) => Layer.effect(UploadStore, make(options.life))

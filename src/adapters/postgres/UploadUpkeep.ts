/** UploadUpkeep on PostgreSQL. */
import { Effect, Layer, Schema } from "effect"
import { ArrivingId } from "../../domain/ids.ts"
import { UploadUpkeep } from "../../domain/ports/UploadUpkeep.ts"
import { Upload } from "../../domain/videos/Upload.ts"
import { Db } from "./Db.ts"
import { storeUnavailable } from "./Rows.ts"

const Left = Schema.Struct({ id: Upload.fields.id, arriving: Upload.fields.arriving })
const Reachable = Schema.Struct({ arriving: ArrivingId })

const over = `expires_at < clock_timestamp() and (writer is null or writer_until < clock_timestamp())`

const make = Effect.gen(function* () {
  const db = yield* Db

  const expired = db
    .rows(Left, (sql) => sql`select id, arriving from upload where ${sql.unsafe(over)} order by id`)
    .pipe(storeUnavailable)

  const forgetExpired = db
    .rows(Left, (sql) => sql`delete from upload where ${sql.unsafe(over)} returning id, arriving`)
    .pipe(storeUnavailable)

  const reachable = db
    .rows(
      Reachable,
      (sql) =>
        sql`
        select arriving from upload where arriving is not null
         union
        select writer   from upload where writer   is not null`
    )
    .pipe(
      Effect.map((rows): ReadonlySet<ArrivingId> => new Set(rows.map(({ arriving }) => arriving))),
      storeUnavailable
    )

  return UploadUpkeep.of({ expired, forgetExpired, reachable })
})

export const layer = Layer.effect(UploadUpkeep, make)

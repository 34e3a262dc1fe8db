/** What workers find out about a source. */
import { Effect } from "effect"
import type { Subject } from "../../../domain/ports/JobStore.ts"
import type { SourceFacts } from "../../../domain/videos/Video.ts"
import { Db } from "../Db.ts"

export const makeNoteFacts = Effect.map(Db, (db) =>
  Effect.fnUntraced(function* (subject: Subject, facts: SourceFacts) {
    yield* db.query(
      (sql) =>
        sql`
        update video v
           set duration = ${facts.duration}, width = ${facts.width}, height = ${facts.height}
         where ${"video" in subject ? sql`v.id = ${subject.video}` : sql`v.id = (select video_id from job where id = ${subject.job})`}
           and (v.duration, v.width, v.height) is distinct from (${facts.duration}::float8, ${facts.width}::int, ${facts.height}::int)`
    )
  })
)

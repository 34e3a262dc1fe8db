/** JobNews by NOTIFY: one connection listens for all who follow, and one statement a moment tells of all that changed. */
import { Deferred, Effect, Exit, Layer, Option, Schema, Stream } from "effect"
import { JobId } from "../../domain/ids.ts"
import { JobNews, type News } from "../../domain/ports/JobNews.ts"
import { Db, type Notification } from "./Db.ts"

const channel = "vlog_job"

const gatherFor = "250 millis"

/** A notification holds 8000 bytes, a number of a job at most 10. */
const mostNamed = 700
const tooMany = "*"

const decodeIds = Schema.decodeUnknownOption(Schema.Array(JobId))

/** To have just connected means that something may have been missed. */
const aboutOf = (notification: Notification): News["about"] =>
  notification._tag === "Listening"
    ? null
    : Option.match(decodeIds(notification.payload.split(",").map(Number)), {
        onNone: () => null,
        onSome: (ids) => new Set(ids)
      })

export const layer = Layer.effect(
  JobNews,
  Effect.gen(function* () {
    const db = yield* Db
    let coming = Deferred.makeUnsafe<News>()
    const changed = new Set<JobId>()

    const pass = (notification: Notification) =>
      Effect.sync(() => {
        const here = coming
        coming = Deferred.makeUnsafe()
        Deferred.doneUnsafe(here, Exit.succeed({ about: aboutOf(notification), next: Deferred.await(coming) }))
      })
    yield* Effect.forkScoped(Stream.runForEach(db.listen(channel), pass))

    const tellAll = Effect.suspend(() => {
      if (changed.size === 0) return Effect.void
      const named = changed.size > mostNamed ? tooMany : [...changed].join(",")
      changed.clear()
      return db.query((sql) => sql`select pg_notify(${channel}, ${named})`)
    })
    yield* tellAll.pipe(
      Effect.ignore,
      Effect.delay(gatherFor),
      Effect.forever,
      Effect.withTracerEnabled(false),
      Effect.forkScoped
    )

    return JobNews.of({
      tell: (job) => Effect.sync(() => void changed.add(job)),
      watch: Effect.sync(() => Deferred.await(coming))
    })
  })
)

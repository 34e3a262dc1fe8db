import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { Db } from "../../../src/adapters/postgres/Db.ts"
import * as PostgresJobNews from "../../../src/adapters/postgres/JobNews.ts"
import { JobId } from "../../../src/domain/ids.ts"
import { JobNews, type News } from "../../../src/domain/ports/JobNews.ts"
import { TestDatabase } from "../../support/postgres.ts"

const replica = Effect.gen(function* () {
  const { url } = yield* TestDatabase
  const news = PostgresJobNews.layer.pipe(Layer.provide(Db.layer({ url, applicationName: "vlog-test-news", max: 2 })))
  return Context.get(yield* Layer.build(Layer.fresh(news)), JobNews)
})

/** The first news that names jobs: a new connection says that any may have changed. */
const named = Effect.fnUntraced(function* (coming: Effect.Effect<News>) {
  let news = yield* coming
  while (news.about === null) news = yield* news.next
  return news
})

layer(TestDatabase.layer, { excludeTestServices: true })("news of jobs", (it) => {
  it.effect("reach every replica, those that come close together at once, and none is left out", () =>
    Effect.gen(function* () {
      const [here, there] = [yield* replica, yield* replica]
      const coming = yield* there.watch
      // Whoever has heard that it is connected misses nothing from then on.
      const connected = yield* coming
      assert.isNull(connected.about)
      for (const id of [7, 8, 7]) yield* here.tell(JobId.make(id))
      const first = yield* named(connected.next)
      assert.deepStrictEqual(first.about, new Set([JobId.make(7), JobId.make(8)]))
      yield* here.tell(JobId.make(9))
      const second = yield* named(first.next)
      assert.deepStrictEqual(second.about, new Set([JobId.make(9)]))
      assert.deepStrictEqual(yield* named(coming), first)
    })
  )
})

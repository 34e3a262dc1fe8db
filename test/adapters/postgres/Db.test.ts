import { assert, describe, layer } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Layer, Redacted, Schema, Stream } from "effect"
import {
  Db,
  DbError,
  type DbOptions,
  outsideTransaction,
  retryRaces,
  withStatementTimeout
} from "../../../src/adapters/postgres/Db.ts"
import { TestDatabase } from "../../support/postgres.ts"
import { faultyProxy } from "./faultyProxy.ts"

const Thing = Schema.Struct({ id: Schema.Int, name: Schema.String })

/** An empty table of its own for each test, so that they can run in any order. */
const emptyTable = Effect.flatMap(Db, (db) =>
  db.query((sql) =>
    sql`
    drop table if exists thing;
    create table thing (id integer primary key, name text constraint thing_name_once unique);
  `.simple()
  )
)

const insert = (id: number, name = `thing ${id}`) =>
  Effect.flatMap(Db, (db) => db.query((sql) => sql`insert into thing (id, name) values (${id}, ${name})`))

const ids = Effect.flatMap(Db, (db) => db.rows(Thing, (sql) => sql`select id, name from thing order by id`)).pipe(
  Effect.map((rows) => rows.map(({ id }) => id))
)

const one = Effect.flatMap(Db, (db) => db.query((sql) => sql`select 1 as one`)).pipe(
  Effect.map((rows) => rows[0]?.["one"])
)

/** A pool of its own, to the database of this file unless another URL is given. */
const pool = Effect.fnUntraced(function* (options: Partial<DbOptions> = {}) {
  const { url } = yield* TestDatabase
  const context = yield* Layer.build(Layer.fresh(Db.layer({ url, applicationName: "test-pool", max: 1, ...options })))
  return yield* Effect.provide(Db, context)
})

const took = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const begin = performance.now()
    const result = yield* effect
    return { result, millis: performance.now() - begin }
  })

layer(TestDatabase.layerDb, { excludeTestServices: true })("Db", (it) => {
  describe("statements", () => {
    it.effect("decodes rows, and takes one that does not fit for a defect", () =>
      Effect.gen(function* () {
        const db = yield* Db
        assert.deepStrictEqual(yield* db.rows(Thing, (sql) => sql`select 1 as id, 'a' as name`), [{ id: 1, name: "a" }])
        const exit = yield* Effect.exit(db.rows(Thing, (sql) => sql`select 'x' as id, null as name`))
        assert.isTrue(Exit.hasDies(exit))
      })
    )

    it.effect("reads and writes bigint, jsonb and timestamptz", () =>
      Effect.gen(function* () {
        const db = yield* Db
        const at = new Date("2026-02-03T04:05:06.789Z")
        const value = { list: [1, "zwei"], nothing: null }
        const [row] = yield* db.query(
          (sql) => sql`
            select ${9_007_199_254_740_991}::bigint as big,
                   ${sql.json(value)}::jsonb as value,
                   ${at}::timestamptz as at,
                   count(*) as count
            from generate_series(1, 3)`
        )
        assert.deepStrictEqual({ ...row }, { big: 9_007_199_254_740_991, value, at, count: 3 })
        const exit = yield* Effect.exit(db.query((sql) => sql`select 9007199254740993::bigint as big`))
        assert.isTrue(Exit.isFailure(exit) && Cause.pretty(exit.cause).includes("bigint 9007199254740993 does not fit"))
        assert.strictEqual(yield* one, 1)
      })
    )

    it.effect("reads and writes arrays of the types of the schema", () =>
      Effect.gen(function* () {
        const db = yield* Db
        const at = new Date("2026-02-03T04:05:06.789Z")
        const values = {
          texts: ["", "NULL", 'a "quoted" \\ word', "{x,y}", "line\nbreak"],
          none: [],
          integers: [1, -2],
          large: [9_007_199_254_740_991],
          flags: [true, false],
          times: [at],
          documents: [{ a: [1, "x,}"] }, null],
          ids: ["0b6e1f0e-0f6c-4f6e-9c58-0d5f0d6f7a11"]
        }
        const [row] = yield* db.query(
          (sql) => sql<Array<typeof values>>`
            select ${values.texts}::text[] as texts,
                   ${values.none}::text[] as none,
                   ${values.integers}::integer[] as integers,
                   ${values.large}::bigint[] as large,
                   ${sql.array(values.flags, 16)}::boolean[] as flags,
                   ${sql.array(values.times, 1184)}::timestamptz[] as times,
                   ${sql.array(values.documents as never, 3802)}::jsonb[] as documents,
                   ${values.ids}::uuid[] as ids`
        )
        assert.deepStrictEqual(row && { ...row }, values)
        const [found] = yield* db.query(
          (sql) => sql`select 2 = any(${values.integers}) as no, -2 = any(${[-2]}) as yes`
        )
        assert.deepStrictEqual({ ...found }, { no: false, yes: true })
      })
    )

    it.effect("says how many rows it changed", () =>
      Effect.gen(function* () {
        const db = yield* Db
        yield* emptyTable
        yield* Effect.forEach([1, 2, 3], (id) => insert(id))
        assert.strictEqual((yield* db.query((sql) => sql`update thing set name = name || '!' where id > 1`)).count, 2)
      })
    )

    it.effect("names the constraint of a conflict", () =>
      Effect.gen(function* () {
        yield* emptyTable
        yield* insert(1, "same")
        const error = yield* Effect.flip(insert(2, "same"))
        assert.deepStrictEqual([error.reason, error.code, error.constraint], ["Conflict", "23505", "thing_name_once"])
        assert.notInclude(error.message, "same")
      })
    )

    it.effect("cancels a statement in the server when it is interrupted, and nothing else", () =>
      Effect.gen(function* () {
        const db = yield* pool()
        for (let round = 0; round < 5; round++) {
          const fiber = yield* Effect.forkChild(db.query((sql) => sql`select pg_sleep(30), 'interrupted'`))
          yield* Effect.sleep("50 millis")
          const { millis } = yield* took(Fiber.interrupt(fiber))
          assert.isBelow(millis, 1_500)
          assert.strictEqual((yield* db.query((sql) => sql`select pg_sleep(0.01), 1 as one`))[0]?.["one"], 1)
        }
        const [left] = yield* db.query(
          (sql) => sql`
            select count(*) from pg_stat_activity
            where state = 'active' and query like '%interrupted%' and pid <> pg_backend_pid()`
        )
        assert.strictEqual(left?.["count"], 0)
      })
    )

    it.effect("lets the server end a statement that is too slow, and keeps the connection", () =>
      Effect.gen(function* () {
        const db = yield* pool({ statementTimeout: "500 millis" })
        const backend = db
          .query((sql) => sql`select pg_backend_pid() as pid`)
          .pipe(Effect.map((rows) => rows[0]?.["pid"]))
        const before = yield* backend
        const { result, millis } = yield* took(Effect.flip(db.query((sql) => sql`select pg_sleep(30)`)))
        assert.deepStrictEqual([result.reason, result.code], ["Cancelled", "57014"])
        assert.isBelow(millis, 1_500)
        assert.strictEqual(yield* backend, before)
        yield* db.transaction(db.query((sql) => sql`select pg_sleep(0.7)`)).pipe(withStatementTimeout("5 seconds"))
      })
    )
  })

  describe("transactions", () => {
    it.effect("commits success, and rolls back failure, defect and interruption", () =>
      Effect.gen(function* () {
        const db = yield* Db
        yield* emptyTable
        yield* db.transaction(insert(1))
        assert.strictEqual(yield* Effect.flip(db.transaction(Effect.andThen(insert(2), Effect.fail("no")))), "no")
        yield* Effect.exit(db.transaction(Effect.andThen(insert(3), Effect.die("bug"))))
        const fiber = yield* Effect.forkChild(
          db.transaction(
            Effect.andThen(
              insert(4),
              db.query((sql) => sql`select pg_sleep(30)`)
            )
          )
        )
        yield* Effect.sleep("100 millis")
        const { millis } = yield* took(Fiber.interrupt(fiber))
        assert.isBelow(millis, 1_500)
        // The lock on the row of the interrupted transaction is gone as well.
        yield* insert(4)
        assert.deepStrictEqual(yield* ids, [1, 4])
      })
    )

    it.effect("makes a nested one a savepoint", () =>
      Effect.gen(function* () {
        const db = yield* Db
        yield* emptyTable
        yield* db.transaction(
          Effect.gen(function* () {
            yield* insert(1)
            const error = yield* Effect.flip(db.transaction(Effect.andThen(insert(2), insert(1))))
            assert.strictEqual(error.reason, "Conflict")
            yield* db.transaction(Effect.andThen(insert(3), db.transaction(insert(4))))
            assert.deepStrictEqual(yield* outsideTransaction(ids), [])
          })
        )
        assert.deepStrictEqual(yield* ids, [1, 3, 4])
      })
    )

    it.effect("does not take a commit for one when a statement had failed", () =>
      Effect.gen(function* () {
        const db = yield* Db
        yield* emptyTable
        yield* insert(1)
        const error = yield* Effect.flip(db.transaction(Effect.andThen(insert(2), Effect.ignore(insert(1)))))
        assert.include(error.message, "the transaction was rolled back")
        assert.deepStrictEqual(yield* ids, [1])
      })
    )

    it.effect("runs nothing outside a transaction whose connection was lost", () =>
      Effect.gen(function* () {
        const db = yield* Db
        yield* emptyTable
        const error = yield* db
          .transaction(
            Effect.gen(function* () {
              yield* insert(1)
              const [row] = yield* db.query((sql) => sql`select pg_backend_pid() as pid`)
              yield* outsideTransaction(db.query((sql) => sql`select pg_terminate_backend(${row?.["pid"]})`))
              yield* Effect.sleep("200 millis")
              yield* insert(2)
            })
          )
          .pipe(Effect.flip)
        assert.deepStrictEqual([error.reason, error.code], ["Unavailable", "CONNECTION_LOST"])
        assert.deepStrictEqual(yield* ids, [])
      })
    )

    it.effect("repeats what lost a race, and nothing else", () =>
      Effect.gen(function* () {
        const db = yield* Db
        let tries = 0
        const racing = db.transaction(
          Effect.suspend(() => {
            const text = ++tries < 3 ? "do $$ begin raise exception 'lost' using errcode = '40001'; end $$" : "select 1"
            return db.query((sql) => sql.unsafe(text))
          })
        )
        yield* retryRaces(racing)
        assert.strictEqual(tries, 3)
        yield* emptyTable
        yield* insert(1)
        tries = 0
        yield* Effect.flip(retryRaces(Effect.suspend(() => (tries++, insert(1)))))
        assert.strictEqual(tries, 1)
      })
    )
  })

  describe("the pool", () => {
    it.effect("shares its connections among many", () =>
      Effect.gen(function* () {
        const db = yield* pool({ max: 3 })
        const pids = yield* Effect.forEach(
          Array.from({ length: 60 }),
          () => db.query((sql) => sql`select pg_backend_pid() as pid, pg_sleep(0.002)`),
          { concurrency: 20 }
        )
        assert.isAtMost(new Set(pids.map((rows) => rows[0]?.["pid"])).size, 3)
      })
    )

    it.effect("says so when no connection becomes free, and answers a ping nevertheless", () =>
      Effect.gen(function* () {
        const db = yield* pool({ statementTimeout: "300 millis" })
        const error = yield* db.transaction(
          Effect.andThen(db.ping, Effect.flip(outsideTransaction(db.query((sql) => sql`select 1`))))
        )
        assert.deepStrictEqual([error.reason, error.code], ["Unavailable", "POOL_EXHAUSTED"])
        assert.include(error.message, "none of the 1 connections became free within 300ms")
        yield* db.query((sql) => sql`select 1`)
      })
    )

    it.effect("explains why it cannot connect, without the password", () =>
      Effect.gen(function* () {
        const { url } = yield* TestDatabase
        const secret = new URL(Redacted.value(url)).password
        const problem = Effect.fnUntraced(function* (change: (url: URL) => void) {
          const other = new URL(Redacted.value(url))
          change(other)
          const db = yield* pool({ url: Redacted.make(other.href) })
          const error = yield* Effect.flip(db.ping)
          assert.strictEqual(error.reason, "Unavailable")
          assert.notInclude(JSON.stringify(error) + error.message + error.stack, secret)
          return error.message
        })
        assert.match(
          yield* problem((url) => (url.port = "1")),
          /PostgreSQL at 127\.0\.0\.1:1\/test_\w+ is not available: .*ECONNREFUSED/
        )
        assert.include(
          yield* problem((url) => (url.username = "nobody")),
          "check user and password in VLOG_DATABASE_URL"
        )
        assert.include(yield* problem((url) => (url.pathname = "/missing")), "check the database name")
      }).pipe(Effect.scoped)
    )

    it.effect("says what an address must look like without repeating it", () =>
      Effect.gen(function* () {
        const layer = Db.layer({ url: Redacted.make("postgres://vlog:hunter2%@[db"), applicationName: "test" })
        const { message } = yield* Effect.flip(Effect.scoped(Layer.build(layer)))
        assert.include(message, "must be of the form postgres://")
        assert.notInclude(message, "hunter2")
      })
    )
  })

  describe("notifications", () => {
    it.effect("arrive, and are listened for again when the connection is lost", () =>
      Effect.gen(function* () {
        const db = yield* Db
        const seen: Array<string> = []
        yield* db.listen('odd "channel"').pipe(
          Stream.runForEach((event) =>
            Effect.sync(() => seen.push(event._tag === "Listening" ? "listening" : event.payload))
          ),
          Effect.forkScoped
        )
        const until = (length: number) =>
          Effect.sleep("10 millis").pipe(
            Effect.repeat({ until: () => seen.length >= length }),
            Effect.timeout("5 seconds")
          )
        const notify = (payload: string) => db.query((sql) => sql`select pg_notify('odd "channel"', ${payload})`)
        yield* until(1)
        yield* notify("one")
        yield* until(2)
        const { count } = yield* db.query(
          (sql) => sql`select pg_terminate_backend(pid) from pg_stat_activity where query like 'listen "odd%'`
        )
        assert.strictEqual(count, 1)
        yield* until(3)
        yield* notify("two")
        yield* until(4)
        assert.deepStrictEqual(seen, ["listening", "one", "listening", "two"])
      }).pipe(Effect.scoped)
    )
  })

  describe("behind a network that breaks connections", () => {
    it.effect("answers again, and lets nobody wait for ever, when they were reset", () =>
      Effect.gen(function* () {
        const { url } = yield* TestDatabase
        const proxy = yield* faultyProxy(url)
        const db = yield* pool({ url: proxy.url, max: 4, statementTimeout: "1 second" })
        let answered = 0
        const reasons = new Set<string>()
        const note = Effect.match({
          onSuccess: () => void answered++,
          onFailure: (error: DbError) => void reasons.add(error.reason)
        })
        const statement = db.query((sql) => sql`select ${1}::integer`)
        const work = Effect.forEach([statement, db.transaction(Effect.andThen(statement, statement))], note)
        proxy.resetShare = 0.05
        const end = performance.now() + 2_000
        yield* Effect.forEach(
          Array.from({ length: 8 }),
          () => Effect.repeat(work, { while: () => performance.now() < end }),
          { concurrency: "unbounded" }
        ).pipe(Effect.timeout("10 seconds"))
        assert.isAbove(proxy.resets, 20)
        assert.isAbove(answered, 20)
        assert.deepStrictEqual([...reasons], ["Unavailable"])

        proxy.resetShare = 0
        const afterwards = Effect.forEach(Array.from({ length: 20 }), () => statement, { concurrency: "unbounded" })
        const { millis } = yield* took(Effect.retry(afterwards, { times: 4 }))
        assert.isBelow(millis, 3_000)
      }).pipe(Effect.scoped)
    )

    it.effect("survives resets of idle connections, at whatever moment the next statement comes", () =>
      Effect.gen(function* () {
        const { url } = yield* TestDatabase
        const proxy = yield* faultyProxy(url)
        const db = yield* pool({ url: proxy.url, statementTimeout: "300 millis" })
        const statement = db.query((sql) => sql`select ${1}::integer`)
        for (let round = 0; round < 30; round++) {
          yield* Effect.retry(statement, { times: 3 })
          proxy.resetAll()
          // From before the reset is noticed to after the socket is closed, in steps of one turn of the event loop.
          for (let turn = 0; turn < round % 6; turn++)
            yield* Effect.promise(() => new Promise((done) => setImmediate(done)))
          yield* Effect.exit(statement)
        }
        assert.isAbove(proxy.resets, 20)
        yield* statement
      }).pipe(Effect.scoped)
    )

    it.effect("survives that a statement cannot be cancelled, since nobody answers", () =>
      Effect.gen(function* () {
        const { url } = yield* TestDatabase
        const proxy = yield* faultyProxy(url)
        const db = yield* pool({ url: proxy.url })
        yield* db.query((sql) => sql`select 1`)
        const unhandled: Array<unknown> = []
        const note = (reason: unknown) => unhandled.push(reason)
        process.on("unhandledRejection", note)
        proxy.refusing = true
        const sleeping = db.query((sql) => sql`select pg_sleep(5)`)
        assert.strictEqual((yield* Effect.timeoutOption(sleeping, "100 millis"))._tag, "None")
        yield* Effect.sleep("50 millis")
        process.off("unhandledRejection", note)
        assert.deepStrictEqual(unhandled, [])
        assert.isAbove(proxy.resets, 0)
      }).pipe(Effect.scoped)
    )

    it.effect("gives up a connection that does not answer, and takes another", () =>
      Effect.gen(function* () {
        const { url } = yield* TestDatabase
        const proxy = yield* faultyProxy(url)
        const db = yield* pool({ url: proxy.url, statementTimeout: "500 millis" })
        yield* db.query((sql) => sql`select 1`)
        proxy.stall()
        const { result, millis } = yield* took(Effect.flip(db.query((sql) => sql`select 1`)))
        assert.deepStrictEqual([result.reason, result.code], ["Unavailable", "STATEMENT_TIMEOUT"])
        assert.isBelow(millis, 1_500)
        yield* db.query((sql) => sql`select 1`)
        proxy.stall()
        const interrupted = yield* took(
          Effect.timeoutOption(
            db.query((sql) => sql`select 1`),
            "100 millis"
          )
        )
        assert.isBelow(interrupted.millis, 2_000)
        yield* db.query((sql) => sql`select 1`)
      }).pipe(Effect.scoped)
    )

    it.effect("hears notifications again after an outage", () =>
      Effect.gen(function* () {
        const { url } = yield* TestDatabase
        const proxy = yield* faultyProxy(url)
        const db = yield* pool({ url: proxy.url })
        let listening = 0
        yield* db.listen("outage").pipe(
          Stream.runForEach((event) => Effect.sync(() => (listening += event._tag === "Listening" ? 1 : 0))),
          Effect.forkScoped
        )
        const until = (times: number) =>
          Effect.sleep("10 millis").pipe(
            Effect.repeat({ until: () => listening >= times }),
            Effect.timeout("5 seconds")
          )
        yield* until(1)
        proxy.refusing = true
        proxy.resetAll()
        yield* Effect.sleep("1200 millis")
        assert.strictEqual(listening, 1)
        proxy.refusing = false
        yield* until(2)
      }).pipe(Effect.scoped)
    )
  })
})

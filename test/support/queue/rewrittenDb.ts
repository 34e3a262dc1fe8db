/**
 * A database whose statements are changed on their way: its clock stands still until it is moved, and a rule may be
 * taken out of the real SQL to see who misses it.
 */
import { Context, Effect, Layer } from "effect"
import { type Build, Db, type DbError, type Sql } from "../../../src/adapters/postgres/Db.ts"

/** Texts to take out of statements, and what to put there. */
export interface Rewriting {
  readonly from: string
  readonly to: string
}

/** The texts that were found, and so changed. */
export class Rewritten extends Context.Service<Rewritten, Set<string>>()("vlog/test/support/queue/Rewritten") {}

const clock = /\b(?:clock_timestamp|now)\(\)/g

const templates = (rewritings: ReadonlyArray<Rewriting>, found: Set<string>) => {
  const known = new WeakMap<TemplateStringsArray, TemplateStringsArray>()
  const change = (text: string) => {
    let changed = text
    for (const { from, to } of rewritings) {
      if (changed.includes(from)) found.add(from)
      changed = changed.replaceAll(from, to)
    }
    return changed.replaceAll(clock, "test_now()")
  }
  return (strings: TemplateStringsArray) => {
    const made = known.get(strings)
    if (made !== undefined) return made
    const raw = strings.map(change)
    const changed = Object.assign(raw, { raw })
    known.set(strings, changed)
    return changed
  }
}

export const rewritten = (rewritings: ReadonlyArray<Rewriting>): Layer.Layer<Db | Rewritten, DbError, Db> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const db = yield* Db
      const found = new Set<string>()
      const change = templates(rewritings, found)
      const through = (sql: Sql): Sql =>
        new Proxy(sql, {
          apply: (target, self, [first, ...rest]: [TemplateStringsArray, ...Array<never>]) =>
            Reflect.apply(target as never, self, [
              Array.isArray(first) && "raw" in first ? change(first) : first,
              ...rest
            ])
        })
      const build =
        <Row extends object>(original: Build<Row>): Build<Row> =>
        (sql) =>
          original(through(sql))
      yield* prepare
      return Context.make(
        Db,
        Db.of({
          ...db,
          query: (original) => db.query(build(original)),
          rows: (schema, original) => db.rows(schema, build(original))
        })
      ).pipe(Context.add(Rewritten, found))
    })
  )

const prepare = Effect.gen(function* () {
  const db = yield* Db
  const statements = [
    `create table if not exists test_clock (at timestamptz not null)`,
    `insert into test_clock select timestamptz '2026-01-01' where not exists (select from test_clock)`,
    `create or replace function test_now() returns timestamptz language sql stable as 'select at from test_clock'`,
    `alter table task alter run_at set default test_now()`
  ]
  for (const statement of statements) yield* db.query((sql) => sql.unsafe(statement))
})

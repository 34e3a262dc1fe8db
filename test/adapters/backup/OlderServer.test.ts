import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { delimiter, join } from "node:path"
import { tmpdir } from "node:os"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { afterAll, beforeAll, vi } from "vitest"
import { withoutTransactionTimeout } from "../../../src/adapters/backup/OlderServer.ts"
import { Db } from "../../../src/adapters/postgres/Db.ts"
import { backUp, backupLayer } from "../../support/backup.ts"

vi.setConfig({ testTimeout: 60_000 })

const line = "SET transaction_timeout = 0;\n"
const header = (extra: string) => `--\n-- dump\n--\n\nSET statement_timeout = 0;\n${extra}SET lock_timeout = 0;\n\n`

const through = (chunks: ReadonlyArray<string>) =>
  Stream.fromIterable(chunks.map((chunk) => Buffer.from(chunk, "latin1"))).pipe(
    withoutTransactionTimeout,
    Stream.runCollect,
    Effect.map((parts) => Buffer.concat(parts).toString("latin1"))
  )

describe("the script for an older server", () => {
  it.effect("lacks the one line, wherever the chunks end", () =>
    Effect.gen(function* () {
      const script = `${header(line)}data\xff\n`.padEnd(6000, "x")
      for (let cut = 0; cut < 120; cut += 1) {
        assert.strictEqual(
          yield* through([script.slice(0, cut), script.slice(cut)]),
          `${header("")}data\xff\n`.padEnd(6000 - line.length, "x")
        )
      }
      assert.strictEqual(yield* through([header(line)]), header(""))
    })
  )

  it.effect("keeps the same words where they are data", () =>
    Effect.gen(function* () {
      const data = `${header("")}${"x".repeat(5000)}\n${line}`
      assert.strictEqual(yield* through([data]), data)
    })
  )
})

/** The programs of version 17 as an older server sees them: they set what it does not know. */
const programs = {
  pg_dump: `[ "$1" = --version ] && { echo "pg_dump (PostgreSQL) 17.6"; exit; }\nexec "$real" "$@"`,
  pg_restore: `case " $* " in
  *" --file=- "*) "$real" "$@" | sed '0,/^SET lock_timeout/s//SET transaction_timeout = 0;\\n&/' ;;
  *--dbname=*) echo 'pg_restore: error: unrecognized configuration parameter "transaction_timeout"' >&2; exit 1 ;;
  *) exec "$real" "$@" ;;
esac`
}

describe("with programs that are newer than the server", () => {
  let folder: string
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "vlog-newer-"))
    const path = process.env["PATH"]!
    for (const [name, body] of Object.entries(programs)) {
      const file = join(folder, name)
      writeFileSync(file, `#!/bin/sh\nreal=$(PATH='${path}' command -v ${name})\n${body}\n`)
      chmodSync(file, 0o755)
    }
    vi.stubEnv("PATH", `${folder}${delimiter}${path}`)
  })
  afterAll(() => {
    vi.unstubAllEnvs()
    rmSync(folder, { recursive: true, force: true })
  })

  it.live("a backup is restored and compared all the same", () =>
    Effect.gen(function* () {
      const db = yield* Db
      yield* db.query(
        (sql) => sql`insert into worker (id, name, type, status) values (gen_random_uuid(), ${line}, 'remote', 'idle')`
      )
      assert.strictEqual((yield* backUp()).level, 6)
      assert.strictEqual((yield* backUp({ wrapping: "zstd", compression: 1 })).level, 6)
    }).pipe(Effect.provide(backupLayer()))
  )
})

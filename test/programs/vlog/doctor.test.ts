import { mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { vi } from "vitest"
import { freePort } from "../../support/programs.ts"
import { TestDatabase } from "../../support/postgres.ts"
import { vlog } from "../../support/vlog.ts"

vi.setConfig({ testTimeout: 60_000 })

interface Report {
  readonly ok: boolean
  readonly findings: ReadonlyArray<{ readonly check: string; readonly state: string; readonly found: string }>
}

/** Without programs: trying every encoder takes its time. */
const noPrograms = { PATH: "" }

const stateOf = (report: Report) => Object.fromEntries(report.findings.map(({ check, state }) => [check, state]))

layer(TestDatabase.layer)("vlog doctor and vlog db", (it) => {
  it.effect("say what is well, what is skipped and what is not", () =>
    Effect.gen(function* () {
      const url = Redacted.value((yield* TestDatabase).url)
      const storage = mkdtempSync(join(tmpdir(), "vlog-doctor-"))
      const well = yield* vlog(["doctor", "--json"], {
        env: { ...noPrograms, VLOG_DATABASE_URL: url, VLOG_STORAGE_PATH: storage }
      })
      const report = JSON.parse(well.stdout) as Report
      assert.isTrue(report.ok, well.stdout)
      assert.strictEqual(well.exitCode, 0)
      assert.deepInclude(stateOf(report), {
        database: "ok",
        "database clock": "ok",
        schema: "ok",
        storage: "ok",
        "storage hard links": "ok",
        "storage file system": "skipped",
        "Worker API": "skipped",
        ffmpeg: "skipped",
        pg_dump: "skipped"
      })

      const nobody = `127.0.0.1:${yield* Effect.promise(freePort)}`
      const ill = yield* vlog(["doctor"], {
        env: {
          ...noPrograms,
          VLOG_DATABASE_URL: `postgres://u:hidden@${nobody}/x`,
          VLOG_API_URL: `http://${nobody}`,
          VLOG_STORAGE_PATH: join(storage, "nowhere"),
          BACKUP_PATH: storage
        }
      })
      assert.strictEqual(ill.exitCode, 1)
      assert.match(ill.stdout, /^problem +database: /m)
      assert.match(ill.stdout, /^problem +storage: .*ENOENT/m)
      assert.match(ill.stdout, /^problem +Worker API: .*ECONNREFUSED/m)
      assert.match(ill.stdout, /^problem +pg_dump: /m)
      assert.include(ill.stderr, "there are 4 problems, see above")
      assert.notInclude(ill.stdout + ill.stderr, "hidden")
    })
  )

  it.effect("show the schema, and need the address of the database", () =>
    Effect.gen(function* () {
      const url = Redacted.value((yield* TestDatabase).url)
      const status = yield* vlog(["db", "status", "--json"], { env: { VLOG_DATABASE_URL: url } })
      assert.strictEqual(status.exitCode, 0, status.stderr)
      const { migrations, pending } = JSON.parse(status.stdout)
      assert.strictEqual(pending, 0)
      assert.strictEqual(migrations[0].name, "0001_first")
      const missing = yield* vlog(["db", "migrate"])
      assert.strictEqual(missing.exitCode, 78)
      assert.include(missing.stderr, "VLOG_DATABASE_URL is not set")
    })
  )
})

import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { backupName, BackupName, packingOf, stemOf } from "../../../src/domain/backups/BackupName.ts"
import { majorOf } from "../../../src/domain/backups/ClientVersion.ts"
import { type CheckResult, levelReached, levels } from "../../../src/domain/backups/Verification.ts"

const result = (check: CheckResult["check"], outcome: CheckResult["outcome"]): CheckResult => ({
  check,
  outcome,
  seconds: 0,
  problem: null
})

describe("the level that a backup reached", () => {
  it("is that of the last check of an unbroken row", () => {
    assert.strictEqual(levelReached([]), 0)
    assert.strictEqual(levelReached(levels.map((check) => result(check, "passed"))), 6)
    assert.strictEqual(levelReached([result("contents", "passed"), result("digest", "failed")]), 1)
  })

  it("does not count what was skipped", () => {
    const results = levels.map((check) => result(check, check === "indexes" ? "skipped" : "passed"))
    assert.strictEqual(levelReached(results), 5)
  })
})

describe("the name of a backup", () => {
  it("is its moment in UTC", () => {
    const time = new Date("2025-12-27T03:00:00.900+01:00")
    assert.strictEqual(backupName(time, { wrapping: "none", encrypted: false }), "vlog-2025-12-27-020000.dump")
    assert.strictEqual(backupName(time, { wrapping: "zstd", encrypted: false }), "vlog-2025-12-27-020000.dump.zst")
  })

  it("says how the archive is packed", () => {
    const time = new Date("2025-12-27T02:00:00Z")
    for (const wrapping of ["none", "zstd"] as const) {
      for (const encrypted of [false, true]) {
        const name = backupName(time, { wrapping, encrypted })
        assert.isTrue(Schema.is(BackupName)(name))
        assert.deepStrictEqual(packingOf(name), { wrapping, encrypted })
        assert.strictEqual(stemOf(name), "vlog-2025-12-27-020000")
      }
    }
  })

  it("leads to no other folder", () => {
    for (const name of ["../vlog-2025-12-27-020000.dump", "vlog-2025-12-27-020000.dump/..", "other.dump", ""]) {
      assert.isFalse(Schema.is(BackupName)(name))
    }
  })
})

describe("the major version", () => {
  it("is read from what pg_dump and the server say", () => {
    assert.strictEqual(majorOf("pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"), 15)
    assert.strictEqual(majorOf("15.18 (Debian 15.18-0+deb12u1)"), 15)
    assert.strictEqual(majorOf("17beta1"), 17)
    assert.isUndefined(majorOf("unknown"))
  })
})

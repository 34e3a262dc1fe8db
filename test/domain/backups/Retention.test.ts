import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Schema } from "effect"
import { defaultPolicy, type KnownBackup, retention } from "../../../src/domain/backups/Retention.ts"
import { int } from "../support/arbitraries.ts"

const now = new Date("2026-11-23T02:00:00Z")
const hour = 3_600_000

const history: Arbitrary.Arbitrary<ReadonlyArray<KnownBackup>> = Arbitrary.map(
  Arbitrary.array(Arbitrary.schema(Schema.Struct({ hours: int(-48, 24 * 400), good: Schema.Boolean }))),
  (backups) =>
    backups.map(({ good, hours }, index) => ({
      name: `backup ${index}`,
      takenAt: new Date(now.getTime() - hours * hour),
      good
    }))
)

const policy = Arbitrary.schema(Schema.Struct({ days: int(0, 60), atLeast: int(1, 6) }))

const newestFirst = (backups: ReadonlyArray<KnownBackup>) =>
  backups.toSorted((a, b) => b.takenAt.getTime() - a.takenAt.getTime())

const night = (days: number, good = true): KnownBackup => ({
  name: `${days} days ago`,
  takenAt: new Date(now.getTime() - days * 24 * hour),
  good
})

const namesOf = (backups: ReadonlyArray<KnownBackup>) => backups.map(({ name }) => name)

describe("retention", () => {
  it("keeps a week of nights and no more", () => {
    const nights = Array.from({ length: 12 }, (_, days) => night(days))
    const { keep, remove } = retention(nights, defaultPolicy, now)
    assert.deepStrictEqual(namesOf(keep), namesOf(nights.slice(0, 8)))
    assert.isTrue(remove.every(({ why }) => why === "expired"))
  })

  it("keeps the last three good ones after weeks of failures", () => {
    const nights = [night(1, false), night(2, false), night(30), night(31), night(32), night(33)]
    const { keep, remove } = retention(nights, defaultPolicy, now)
    assert.deepStrictEqual(namesOf(keep), ["30 days ago", "31 days ago", "32 days ago"])
    assert.deepStrictEqual(
      remove.map(({ backup, why }) => `${backup.name}: ${why}`),
      ["1 days ago: failed", "2 days ago: failed", "33 days ago: expired"]
    )
  })

  it.prop("never removes the newest good ones, nor a good one within the limit", [history, policy], ([all, rules]) => {
    const { keep } = retention(all, rules, now)
    const good = newestFirst(all.filter((backup) => backup.good))
    const young = good.filter((backup) => backup.takenAt.getTime() >= now.getTime() - rules.days * 24 * hour)
    for (const backup of [...good.slice(0, rules.atLeast), ...young]) {
      // Of several from one moment any may be the newest.
      const same = keep.filter((kept) => kept.takenAt.getTime() === backup.takenAt.getTime())
      assert.isTrue(keep.includes(backup) || same.length > 0)
    }
    assert.isAtLeast(keep.length, Math.min(good.length, rules.atLeast))
  })

  it.prop("never keeps a failed one, and nothing else that is too old", [history, policy], ([all, rules]) => {
    const { keep } = retention(all, rules, now)
    assert.isTrue(keep.every((backup) => backup.good))
    const old = keep.filter((backup) => backup.takenAt.getTime() < now.getTime() - rules.days * 24 * hour)
    if (old.length > 0) assert.isAtMost(keep.length, rules.atLeast)
  })

  it.prop("decides about each backup once, and the same way twice", [history, policy], ([all, rules]) => {
    const { keep, remove } = retention(all, rules, now)
    assert.strictEqual(keep.length + remove.length, all.length)
    assert.strictEqual(new Set([...keep, ...remove.map(({ backup }) => backup)]).size, all.length)
    const again = retention(keep, rules, now)
    assert.deepStrictEqual(again.remove, [])
  })
})

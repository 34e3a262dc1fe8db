import { assert, describe, it } from "@effect/vitest"
import { differences, type Fingerprint } from "../../../src/domain/backups/Fingerprint.ts"

const source: Fingerprint = {
  tables: [
    { schema: "public", name: "job", rows: 3, hash: "17" },
    { schema: "public", name: "video", rows: 2, hash: "5" }
  ],
  largeObjects: { count: 1, hash: "9" },
  objects: { indexes: 4 }
}

describe("fingerprints", () => {
  it("of the same rows do not differ", () => {
    assert.deepStrictEqual(differences(source, structuredClone(source)), [])
  })

  it("say in words how they differ", () => {
    const [job, video] = source.tables as [Fingerprint["tables"][0], Fingerprint["tables"][0]]
    const found: Fingerprint = {
      tables: [
        { ...job, hash: "18" },
        { ...video, name: "guest" }
      ],
      largeObjects: { count: 0, hash: "0" },
      objects: { indexes: 3, views: 1 }
    }
    assert.deepStrictEqual(differences(source, found), [
      "public.job has the right number of rows, but not the same ones",
      "the table public.video is missing",
      "the table public.guest was not in the source",
      "there are 0 of large objects instead of 1",
      "the contents of the large objects differ",
      "there are 3 of indexes instead of 4",
      "there are 1 of views instead of 0"
    ])
    assert.deepStrictEqual(differences(source, { ...source, tables: [{ ...job, rows: 2 }, video] }), [
      "public.job has 2 rows instead of 3"
    ])
  })
})

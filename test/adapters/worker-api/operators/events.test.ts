import { assert, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { get } from "node:http"
import { setTimeout as delay } from "node:timers/promises"
import { until } from "../../../support/programs.ts"
import { adminSecret, TestServer, testServer } from "../support/server.ts"
import { register, send, uploadVideo, workerAt } from "../support/wire.ts"

interface Event {
  readonly event: string
  readonly id: string | undefined
  readonly data: any
}

const field = (block: string, name: string) => new RegExp(`^${name}: (.*)$`, "m").exec(block)?.[1]

/** Server-sent events from a socket of its own, as they have come so far. */
const follow = (address: string, path: string, headers: Readonly<Record<string, string>> = {}) =>
  new Promise<{
    readonly status: number
    readonly type: string | undefined
    readonly events: ReadonlyArray<Event>
    readonly ended: () => boolean
    close(): void
  }>((resolve, reject) => {
    const events: Array<Event> = []
    let ended = false
    const request = get(
      `${address}${path}`,
      { agent: false, headers: { "x-admin-secret": adminSecret, ...headers } },
      (answer) => {
        let rest = ""
        answer.setEncoding("utf8").on("data", (text: string) => {
          const blocks = (rest + text).split("\n\n")
          rest = blocks.pop()!
          for (const block of blocks.filter((block) => !block.startsWith(":"))) {
            events.push({
              event: field(block, "event")!,
              id: field(block, "id"),
              data: JSON.parse(field(block, "data")!)
            })
          }
        })
        answer.on("close", () => (ended = true)).on("error", () => {})
        resolve({
          status: answer.statusCode ?? 0,
          type: answer.headers["content-type"],
          events,
          ended: () => ended,
          close: () => request.destroy()
        })
      }
    ).on("error", reject)
  })

const admin = (address: string, method: string, path: string, body?: unknown) =>
  send(address, path, {
    method,
    headers: { "x-admin-secret": adminSecret, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) })
  })

let count = 0

const setUp = async (address: string) => {
  const name = `followed-${++count}`
  const { key } = await register(address, name)
  const { job, video } = await uploadVideo(address, `${name}.mp4`, Buffer.from("not a film"))
  return { id: job.id as number, slug: video.slug as string, worker: workerAt(address, key) }
}

const progress = (percent: number) => ({ current_step: "transcode", progress_percent: percent })

describe("events of jobs", () => {
  layer(testServer(), { timeout: 60_000, excludeTestServices: true })((it) => {
    const test = (name: string, run: (address: string) => Promise<void>) =>
      it.effect(name, () => Effect.flatMap(TestServer, ({ address }) => Effect.promise(() => run(address))))

    test("tell of a job from where it is until it has ended", async (address) => {
      const { id, worker } = await setUp(address)
      const followed = await follow(address, `/api/jobs/${id}/events`)
      assert.strictEqual(followed.status, 200)
      assert.match(followed.type ?? "", /^text\/event-stream/)
      await until("the first state", () => followed.events.length === 1)
      assert.deepInclude(followed.events[0]?.data, { id, status: "queued" })

      await worker.bare(`/api/worker/claim?job_id=${id}`)
      await until("running", () => followed.events.at(-1)?.data.status === "running")
      await worker.post(`/api/worker/${id}/progress`, progress(40))
      await until("progress", () => followed.events.at(-1)?.data.progress.percent === 40)

      // Who comes later begins with the same state.
      const second = await follow(address, `/api/jobs/${id}/events`)
      await until("the state", () => second.events.length === 1)
      assert.deepStrictEqual(second.events[0], followed.events.at(-1))

      await admin(address, "POST", `/api/jobs/${id}/cancel`)
      for (const one of [followed, second]) {
        await until("the end", one.ended)
        assert.deepInclude(one.events.at(-1)?.data, { id, status: "cancelled" })
        assert.strictEqual(one.events.at(-1)?.event, "end")
      }
      const late = await follow(address, `/api/jobs/${id}/events`)
      await until("the end", late.ended)
      assert.deepStrictEqual(late.events, [followed.events.at(-1)!])
    })

    test("end with the video of a job, and do not begin without one", async (address) => {
      const { id, slug } = await setUp(address)
      const followed = await follow(address, `/api/jobs/${id}/events`)
      await until("the first state", () => followed.events.length === 1)
      await admin(address, "DELETE", `/api/videos/${slug}`)
      await until("the end", followed.ended)
      assert.deepInclude(followed.events.at(-1), { event: "gone", data: { id } })
      const none = await follow(address, `/api/jobs/${id}/events`)
      assert.strictEqual(none.status, 404)
      none.close()
    })

    test("begin afresh where the last event is none of ours", async (address) => {
      for (const last of ["+275760-09-13T00:00:00.000Z", "-200000-01-01T00:00:00.000Z", "yesterday"]) {
        const all = await follow(address, "/api/events", { "last-event-id": last })
        assert.strictEqual(all.status, 200, last)
        await until("what there is", () => all.events.length === 1)
        all.close()
      }
    })

    test("tell of all jobs, and of those that changed since the last event", async (address) => {
      const one = await setUp(address)
      const all = await follow(address, "/api/events")
      await until("what there is", () => all.events.length === 1)
      const [first] = all.events
      assert.strictEqual(first?.event, "jobs")
      assert.isTrue(first?.data.complete)
      assert.includeMembers(
        first?.data.jobs.map((job: any) => job.id),
        [one.id]
      )
      const lastOf = (id: number) => all.events.slice(1).findLast(({ data }) => data.id === id)?.data
      const other = await setUp(address)
      await until("a new job", () => lastOf(other.id)?.status === "queued")
      await one.worker.bare(`/api/worker/claim?job_id=${one.id}`)
      await until("a claim", () => lastOf(one.id)?.status === "running")
      await one.worker.post(`/api/worker/${one.id}/fail`, { error_message: "later", retry: true })
      await until("it waits again", () => lastOf(one.id)?.status === "queued")
      const last = all.events.at(-1)?.id
      all.close()

      await admin(address, "POST", `/api/jobs/${other.id}/cancel`)
      const again = await follow(address, "/api/events", { "last-event-id": last! })
      await until("what was missed", () => again.events.length === 1)
      const missed = again.events[0]?.data.jobs.find((job: any) => job.id === other.id)
      assert.strictEqual(missed?.status, "cancelled")
      again.close()
    })

    test("are for those who may read", async (address) => {
      const { id } = await setUp(address)
      const { key } = (await admin(address, "POST", "/api/keys", { name: "reader", scope: "read" })).json
      for (const path of [`/api/jobs/${id}/events`, "/api/events"]) {
        const reader = await follow(address, path, { "x-admin-secret": String(key) })
        assert.strictEqual(reader.status, 200)
        reader.close()
        const stranger = await follow(address, path, { "x-admin-secret": "wrong" })
        assert.strictEqual(stranger.status, 403)
        stranger.close()
      }
    })
  })

  layer(testServer(), { timeout: 60_000 })("with a key", (it) => {
    it.effect("end when it is revoked, and not before", () =>
      Effect.gen(function* () {
        const { address } = yield* TestServer
        const minted = yield* Effect.promise(() => admin(address, "POST", "/api/keys", { name: "eye", scope: "read" }))
        const followed = yield* Effect.promise(() =>
          follow(address, "/api/events", { "x-admin-secret": minted.json["key"] })
        )
        yield* Effect.promise(() => until("what there is", () => followed.events.length === 1))
        const later = TestClock.adjust("15 seconds").pipe(Effect.andThen(Effect.promise(() => delay(300))))
        yield* later
        assert.isFalse(followed.ended())
        yield* Effect.promise(() => admin(address, "POST", `/api/keys/${minted.json["id"]}/revoke`))
        yield* later
        yield* Effect.promise(() => until("the end", followed.ended, { within: 5000 }))
      })
    )
  })
})

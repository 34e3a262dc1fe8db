/** A Worker API and its workers, each a program of its own, over a database and a folder that nobody else has. */
import { chmod, mkdtemp, readFile, rm } from "node:fs/promises"
import { join } from "node:path"
import { Context, Effect, Exit, Layer, Redacted, Scope } from "effect"
import { assert } from "vitest"
import { TestDatabase } from "../support/postgres.ts"
import { freePort, type Program, start, stopAll, until } from "../support/programs.ts"

type Environment = Readonly<Record<string, string>>

const adminSecret = "a secret of more than sixteen letters"

export type Farm = Awaited<ReturnType<typeof makeFarm>>

/** With a healthy API and the key of one worker. `environment` is that of every program it starts. */
export const makeFarm = async (environment: Environment = {}) => {
  const scope = Scope.makeUnsafe()
  const folder = await mkdtemp("/tmp/vlog-farm-")
  await chmod(folder, 0o755)
  const database = await Effect.runPromise(Layer.buildWithScope(TestDatabase.layer, scope))
  const { url } = Context.get(database, TestDatabase)
  const port = await freePort()
  const address = `http://127.0.0.1:${port}`
  const storage = { VLOG_DATABASE_URL: Redacted.value(url), VLOG_STORAGE_PATH: join(folder, "storage"), ...environment }

  const startApi = async () => {
    const api = start("api", [], {
      ...storage,
      VLOG_WORKER_ADMIN_SECRET: adminSecret,
      VLOG_WORKER_API_HOST: "127.0.0.1",
      VLOG_WORKER_API_PORT: String(port),
      VLOG_SWEEP_INTERVAL: "500 millis"
    })
    const healthy = () =>
      fetch(`${address}/api/health`).then(
        ({ ok }) => ok,
        () => false
      )
    await until("the API is healthy", healthy, { within: 60_000, details: api.output })
    return api
  }

  const api = await startApi()

  const asAdmin = async <A>(path: string, init: RequestInit = {}): Promise<A> => {
    const response = await fetch(`${address}${path}`, {
      ...init,
      headers: { "x-admin-secret": adminSecret, "content-type": "application/json", ...init.headers }
    })
    assert.isTrue(response.ok, `${path}: ${response.status}`)
    return (await response.json()) as A
  }

  const { api_key: key } = await asAdmin<{ api_key: string }>("/api/worker/register", {
    method: "POST",
    body: JSON.stringify({ worker_name: "one" })
  })

  const publishedAt = async (slug: string) =>
    (await asAdmin<{ video: { published_at: string | null } }>(`/api/videos/${slug}`)).video.published_at

  return {
    folder,
    address,
    database: url,
    /** The settings of whatever works on the same database and storage. */
    storage,
    adminSecret,
    key,
    api,
    /** Anew, after it was ended, at the same address. */
    startApi,
    asAdmin,
    startWorker: (more: Environment = {}) =>
      start("worker", [], {
        VLOG_WORKER_API_URL: address,
        VLOG_WORKER_API_KEY: key,
        VLOG_WORKER_WORK_DIR: join(folder, "work"),
        VLOG_WORKER_HEALTH_PORT: "off",
        VLOG_WORKER_POLL_INTERVAL: "0.2",
        ...environment,
        ...more
      }),
    /** The slug of the video that it becomes. */
    upload: async (path: string, title: string, headers: Readonly<Record<string, string>> = {}) => {
      const { video } = await asAdmin<{ video: { slug: string } }>(`/api/videos?filename=film.mp4&title=${title}`, {
        method: "POST",
        body: await readFile(path),
        headers
      })
      return video.slug
    },
    publishedAt,
    published: (slug: string, worker: Program) =>
      until(`${slug} is published`, async () => (await publishedAt(slug)) !== null, {
        within: 200_000,
        details: worker.output
      }),
    stop: async () => {
      await stopAll()
      await Effect.runPromise(Scope.close(scope, Exit.void))
      await rm(folder, { recursive: true, force: true })
    }
  }
}

/** `Dockerfile.worker` is built, and what it holds does its work with the rights that the manifests give it. */
import { chown, mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Context, Effect, Exit, Layer, Redacted, Scope } from "effect"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { ffmpegWith } from "../support/media.ts"
import { TestDatabase } from "../support/postgres.ts"
import { freePort, until } from "../support/programs.ts"
import { makeBuilder, obstacle } from "./builder.ts"

const why = obstacle()
if (why !== null) console.warn(`the image is not tried: ${why}`)

describe.skipIf(why !== null)("the image of Dockerfile.worker", () => {
  const image = "localhost/vlog-worker:test"
  const secret = "a secret for the test of images"
  const builder = makeBuilder()
  const scope = Scope.makeUnsafe()
  let folder: string
  let database: URL
  let address: string
  let running: ReadonlyArray<Promise<unknown>> = []

  const owned = async (name: string) => {
    const path = join(folder, name)
    await mkdir(path)
    await chown(path, 1000, 1000)
    return path
  }

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "vlog-image-"))
    await builder.build("Dockerfile.worker", image)
    const context = await Effect.runPromise(Layer.buildWithScope(TestDatabase.layerEmpty, scope))
    database = new URL(Redacted.value(Context.get(context, TestDatabase).url))
    const port = await freePort()
    address = `http://127.0.0.1:${port}`
    const api = builder.run("api", image, {
      args: ["api"],
      volumes: [`${await owned("storage")}:/storage`],
      env: {
        VLOG_DATABASE_URL: database.href,
        VLOG_WORKER_ADMIN_SECRET: secret,
        VLOG_STORAGE_PATH: "/storage",
        VLOG_WORKER_API_HOST: "127.0.0.1",
        VLOG_WORKER_API_PORT: String(port)
      }
    })
    running = [api]
    await until(
      "the API in its container is healthy",
      () =>
        fetch(`${address}/api/health`).then(
          ({ ok }) => ok,
          () => false
        ),
      { within: 120_000, every: 500 }
    )
  }, 1_200_000)

  afterAll(async () => {
    if (why !== null) return
    await builder.remove()
    await Promise.all(running)
    await Effect.runPromise(Scope.close(scope, Exit.void))
    await rm(folder, { recursive: true, force: true })
  }, 600_000)

  it("says what it is, and runs as nobody in particular", async () => {
    const { Config, Labels } = await builder.inspect(image)
    assert.strictEqual(Config.User, "1000:1000")
    assert.deepStrictEqual(Config.Entrypoint, ["node", "--max-semi-space-size=1", "/app/run.js"])
    assert.strictEqual(Labels["org.opencontainers.image.title"], "vlog-worker")
  })

  it("can write to /tmp and nowhere else, and has curl", async () => {
    const look =
      "curl --version >/dev/null && touch /tmp/a && ! touch /app/a && ! touch /a && id -u && grep CapEff /proc/self/status"
    const { exitCode, stdout, all } = await builder.run("look", image, { entrypoint: "sh", args: ["-c", look] })
    assert.strictEqual(exitCode, 0, all)
    assert.match(stdout, /^1000\nCapEff:\s+0+$/m)
  })

  it("has no npm, no compiler and no source", async () => {
    const { stdout } = await builder.run("tools", image, {
      entrypoint: "sh",
      args: ["-c", "for one in npm npx cc gcc python3 git; do command -v $one; done; ls /app; find /app -name '*.ts'"]
    })
    assert.notMatch(stdout, /bin\/(npm|npx|cc|gcc|python3|git)|\.ts$/m)
    assert.include(stdout, "worker.js")
  })

  it("starts nothing without its settings, and says which", async () => {
    const { all, exitCode } = await builder.run("bare", image, {})
    assert.notStrictEqual(exitCode, 0)
    assert.include(all, "VLOG_WORKER_API_URL is not set")
  })

  it("a worker in one container transcodes for the API in another, and drains on SIGTERM", async () => {
    const json = { "X-Admin-Secret": secret, "Content-Type": "application/json" }
    const registered = await fetch(`${address}/api/worker/register`, {
      method: "POST",
      headers: json,
      body: JSON.stringify({ worker_name: "in a container" })
    })
    const { api_key } = (await registered.json()) as { api_key: string }
    const clip = join(folder, "clip.mp4")
    await ffmpegWith("-f lavfi -i testsrc2=s=640x360:r=25:d=4 -f lavfi -i sine=d=4 -pix_fmt yuv420p", clip)
    const uploaded = await fetch(`${address}/api/videos?filename=clip.mp4`, {
      method: "POST",
      headers: { "X-Admin-Secret": secret, "Content-Type": "application/octet-stream" },
      body: await readFile(clip)
    })
    assert.isTrue(uploaded.ok, await uploaded.text())
    const health = await freePort()
    const worker = builder.run("worker", image, {
      args: ["worker"],
      volumes: [`${await owned("work")}:/work`],
      env: {
        VLOG_WORKER_API_URL: address,
        VLOG_WORKER_API_KEY: api_key,
        VLOG_WORKER_WORK_DIR: "/work",
        VLOG_WORKER_POLL_INTERVAL: "1",
        VLOG_WORKER_HEALTH_PORT: String(health)
      }
    })
    await until(
      "the clip is published",
      async () => (await fetch(`${address}/videos/clip/master.m3u8`)).status === 200,
      { within: 300_000, every: 500 }
    )
    assert.strictEqual((await fetch(`http://127.0.0.1:${health}/ready`)).status, 200)
    await builder.stop("worker", 60)
    const { all, exitCode } = await worker
    assert.strictEqual(exitCode, 0, all)
    assert.deepStrictEqual(await readdir(join(folder, "work")), [])
  })

  it("backup makes a backup and proves that it can be restored", async () => {
    const backups = await owned("backups")
    const env = {
      PGHOST: database.hostname,
      PGPORT: database.port,
      PGDATABASE: database.pathname.slice(1),
      PGUSER: database.username,
      PGPASSWORD: database.password,
      BACKUP_PATH: "/backups"
    }
    const volumes = [`${backups}:/backups`]
    const { all, exitCode } = await builder.run("backup", image, { args: ["backup"], env, volumes })
    assert.strictEqual(exitCode, 0, all)
    assert.lengthOf(
      (await readdir(backups)).filter((name) => /^vlog-[\d-]+\.dump$/.test(name)),
      1
    )
  })

  it("cleanup looks the farm over", async () => {
    const { all, exitCode } = await builder.run("cleanup", image, {
      args: ["cleanup"],
      volumes: [`${join(folder, "storage")}:/storage`],
      env: { VLOG_DATABASE_URL: database.href, VLOG_STORAGE_PATH: "/storage" }
    })
    assert.strictEqual(exitCode, 0, all)
  })
})

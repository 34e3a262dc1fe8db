/**
 * Jobs whose workers are killed with -9 at random moments: each must end published, with the pictures and boundaries of a
 * job that nobody disturbed, without much of it done twice, and with nothing left behind.
 *
 *     node bench/kills.ts                               20 kills, 2 a job, 24 s of 480p
 *     node bench/kills.ts --kills 6 --a-job 3 --seed 7
 *     node bench/kills.ts --signal SIGTERM              what a stop costs instead
 *
 * Needs ffmpeg. Ends with 1 when a promise is broken.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process"
import { once } from "node:events"
import { readdirSync } from "node:fs"
import { readdir, readFile, utimes } from "node:fs/promises"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect, Redacted } from "effect"
import { sampleVideoArguments } from "../src/adapters/ffmpeg/SampleVideo.ts"
import { Db } from "../src/adapters/postgres/Db.ts"
import { packetsOf } from "../test/support/media.ts"
import { freePort, processesOf, until } from "../test/support/programs.ts"
import { print } from "./support/figures.ts"
import { options } from "./support/options.ts"
import { forgetfulBench, Place } from "./support/place.ts"
import { makeReplicas } from "./support/replicas.ts"

const {
  "a-job": killsOfJob,
  kills,
  seconds,
  seed,
  ...told
} = options({ kills: 20, "a-job": 2, seconds: 24, seed: 1, signal: "SIGKILL" })
const signal = told.signal as NodeJS.Signals
const execute = promisify(execFile)
const root = fileURLToPath(new URL("..", import.meta.url))
const admin = { "x-admin-secret": "a secret of more than sixteen letters" }
/** The least there is: what a killed worker held comes back after it. */
const leaseSeconds = "5"
const mostFramesMore = 1.15

/** Of all moments, those of the download and the probe. */
const beforePictures = 0.1
const millisBeforePictures = 1000

/** The same moments for the same seed: mulberry32. */
const makeRandom = (seed: number) => () => {
  seed = (seed + 0x6d2b79f5) | 0
  let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
}

const makeWorkers = (options: { readonly folder: string; readonly address: string; readonly key: string }) => {
  const { address, folder, key } = options
  const running = new Set<ChildProcess>()

  const start = async () => {
    const port = await freePort()
    const child = spawn(process.execPath, [join(folder, "programs/worker.js")], {
      env: {
        PATH: process.env["PATH"],
        VLOG_WORKER_API_URL: address,
        VLOG_WORKER_API_KEY: key,
        VLOG_WORKER_WORK_DIR: join(folder, "work"),
        VLOG_WORKER_HEALTH_PORT: String(port),
        VLOG_WORKER_POLL_INTERVAL: "0.2",
        VLOG_WORKER_LEASE_SECONDS: leaseSeconds,
        VLOG_HWACCEL_TYPE: "none"
      },
      stdio: ["ignore", "pipe", "pipe"]
    })
    running.add(child)
    let said = ""
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (text: Buffer) => (said += text.toString()))
    const ended = once(child, "exit").then(([code]) => {
      running.delete(child)
      return code as number | null
    })
    const frames = async () => {
      const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
      const counts = [...text.matchAll(/^vlog_worker_frames_encoded_total\{[^}]*\} (\S+)$/gm)]
      return counts.reduce((sum, [, count]) => sum + Number(count), 0)
    }
    const claims = () =>
      until("a task is claimed", () => said.includes('"claimed"'), {
        within: 60_000,
        every: 5,
        details: () => said
      })
    return { child, ended, frames, claims, said: () => said }
  }

  return { start, killAll: () => running.forEach((child) => child.kill("SIGKILL")) }
}

/** When each picture is shown, and where segments are cut, of every rendition that was published. */
const outputOf = async (folder: string) => {
  const renditions = (await readdir(folder, { withFileTypes: true })).filter((entry) => entry.isDirectory())
  const found: Record<string, { readonly times: ReadonlyArray<string>; readonly cuts: ReadonlyArray<string> }> = {}
  for (const { name } of renditions) {
    const [playlist] = (await readdir(join(folder, name))).filter((file) => file.endsWith(".m3u8"))
    if (playlist === undefined) continue
    const path = join(folder, name, playlist)
    const cuts = (await readFile(path, "utf8")).split("\n").filter((line) => line.startsWith("#EXTINF"))
    const times = (await packetsOf(path, "0")).map(({ time }) => time.toFixed(5)).toSorted()
    found[name] = { times, cuts }
  }
  return found
}

const program = Effect.gen(function* () {
  const { environment, folder } = yield* Place
  const db = yield* Db
  const { PGDATABASE, PGHOST, PGPASSWORD, PGPORT, PGUSER } = environment
  const server = {
    PATH: process.env["PATH"] ?? "",
    VLOG_DATABASE_URL: Redacted.value(
      Redacted.make(`postgres://${PGUSER}:${encodeURIComponent(PGPASSWORD!)}@${PGHOST}:${PGPORT}/${PGDATABASE}`)
    ),
    VLOG_STORAGE_PATH: join(folder, "storage"),
    VLOG_WORKER_ADMIN_SECRET: admin["x-admin-secret"],
    VLOG_SWEEP_INTERVAL: "200 millis",
    VLOG_RATE_LIMIT_ENABLED: "false"
  }
  const [api] = yield* Effect.acquireRelease(
    Effect.promise(() => makeReplicas({ folder, env: server })),
    ([api]) => Effect.promise(() => api.kill())
  )
  yield* Effect.promise(async () => {
    const programs = join(folder, "programs")
    await execute(process.execPath, [join(root, "scripts/bundle.mjs"), programs, "worker", "cleanup"])
    await execute(
      "ffmpeg",
      sampleVideoArguments({
        width: 854,
        height: 480,
        seconds,
        output: join(folder, "film.mp4")
      })
    )
    await api.start()
  })

  const ask = async (path: string, init: RequestInit = {}) => {
    const answer = await fetch(`${api.address}${path}`, { method: "POST", headers: admin, ...init })
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`)
    return (await answer.json()) as any
  }
  const { api_key: key } = yield* Effect.promise(() =>
    ask("/api/worker/register", {
      headers: { ...admin, "content-type": "application/json" },
      body: JSON.stringify({ worker_name: "one" })
    })
  )
  const workers = yield* Effect.acquireRelease(
    Effect.sync(() => makeWorkers({ folder, address: api.address, key })),
    ({ killAll }) => Effect.sync(killAll)
  )
  const film = yield* Effect.promise(() => readFile(join(folder, "film.mp4")))
  const create = async (name: string) => {
    const { video } = await ask(`/api/videos?filename=${name}.mp4`, { body: new Uint8Array(film) })
    return video.slug as string
  }
  const isPublished = async (slug: string) =>
    (await ask(`/api/videos/${slug}`, { method: "GET" })).video.published_at !== null

  /** Gives the frames that were encoded and the milliseconds that it took from the claim on. */
  const finish = async (slug: string) => {
    const worker = await workers.start()
    await worker.claims()
    const began = performance.now()
    await until(`${slug} is published`, () => isPublished(slug), { within: 120_000, details: worker.said })
    const millis = performance.now() - began
    const frames = await worker.frames()
    worker.child.kill("SIGTERM")
    await worker.ended
    return { frames, millis }
  }

  const clean = yield* Effect.promise(async () => {
    const slug = await create("clean")
    return { slug, ...(await finish(slug)) }
  })
  console.log(`undisturbed: ${clean.frames} frames in ${(clean.millis / 1000).toFixed(1)} s`)
  const segment = (yield* db.query<{ samples: number }>(
    (sql) => sql`select max((facts->>'samples')::int) as samples from attempt_file where rendition like '%p'`
  ))[0]!.samples

  /** Resolves with the moment, or when it is too late for it. Before the first picture it is told by the clock. */
  const comes = async (moment: number, slug: string, worker: Awaited<ReturnType<typeof workers.start>>) => {
    if (moment < beforePictures) return sleep((moment / beforePictures) * millisBeforePictures)
    const wanted = ((moment - beforePictures) / (1 - beforePictures)) * clean.frames
    const made = async () => {
      const resumed = Number(/"resumedSegments":(\d+)/.exec(worker.said())?.[1] ?? 0)
      return resumed * segment + (await worker.frames())
    }
    await until("the moment comes", async () => (await made()) >= wanted || (await isPublished(slug)), {
      within: 120_000,
      every: 20,
      details: worker.said
    })
  }

  const orphans: Array<string> = []
  const badEnds: Array<string> = []
  /** Gives the frames that were encoded, and whether it came in time. */
  const disturb = async (slug: string, moment: number) => {
    const worker = await workers.start()
    await worker.claims()
    await comes(moment, slug, worker)
    const late = await isPublished(slug)
    const frames = await worker.frames()
    worker.child.kill(late ? "SIGTERM" : signal)
    const code = await worker.ended
    if (signal !== "SIGKILL" && code !== 0) badEnds.push(`exit code ${code}:\n${worker.said()}`)
    const encoders = () => processesOf(folder).filter(({ command }) => /ffmpeg|ffprobe|bwrap/.test(command))
    for (let waited = 0; encoders().length > 0 && waited < 5000; waited += 50) await sleep(50)
    orphans.push(...encoders().map(({ command }) => command))
    return { frames, late }
  }

  const random = makeRandom(seed)
  const jobs: Array<{ slug: string; kills: number; frames: number; moments: string }> = []
  yield* Effect.promise(async () => {
    for (let left = kills, number = 1; left > 0; number++) {
      const count = Math.min(killsOfJob, left)
      const moments = Array.from({ length: count }, random).toSorted((a, b) => a - b)
      const slug = await create(`job-${number}`)
      let frames = 0
      let done = 0
      let late = false
      for (const moment of moments) {
        const disturbed = await disturb(slug, moment)
        frames += disturbed.frames
        late = disturbed.late
        if (late) break
        done += 1
      }
      left -= done
      if (!late) frames += (await finish(slug)).frames
      jobs.push({ slug, kills: done, frames, moments: moments.map((at) => at.toFixed(2)).join(" ") })
      console.log(`${slug}: ${done} times, ${frames} frames, ${(performance.now() / 1000).toFixed(0)} s gone`)
    }
  })

  const publications = new Map(
    (yield* db.query<{ slug: string; id: string }>(
      (sql) => sql`select v.slug, p.id from publication p join video v on v.id = p.video_id`
    )).map(({ id, slug }) => [slug, id])
  )
  const storage = join(folder, "storage")
  const different: Array<string> = []
  yield* Effect.promise(async () => {
    const read = (slug: string) => outputOf(join(storage, "published", publications.get(slug) ?? "none"))
    const wanted = JSON.stringify(await read(clean.slug))
    for (const { slug } of jobs) if (JSON.stringify(await read(slug)) !== wanted) different.push(slug)
    // So that the cleanup need not wait for the hour that it leaves to attempts.
    const attempts = join(storage, "attempts")
    const longAgo = new Date(Date.now() - 7_200_000)
    for (const name of await readdir(attempts, { recursive: true }))
      await utimes(join(attempts, name), longAgo, longAgo)
    await execute(process.execPath, [join(folder, "programs/cleanup.js")], {
      env: { ...server, VLOG_CLEANUP_FILE_HOURS: "1" }
    })
  })
  const left = ["work", "storage/tmp", "storage/attempts"].flatMap((name) =>
    readdirSync(join(folder, name)).map((file) => `${name}/${file}`)
  )
  const more = readdirSync(join(storage, "published")).length - publications.size

  const total = jobs.reduce((sum, { frames }) => sum + frames, 0)
  const done = jobs.reduce((sum, job) => sum + job.kills, 0)
  const undisturbed = clean.frames * jobs.length
  const allowed = mostFramesMore * undisturbed + done * segment
  print([
    ["job", "kills", "at", "frames", "of a clean run"],
    ...jobs.map(({ frames, kills, moments, slug }) => [
      slug,
      kills,
      moments,
      frames,
      (frames / clean.frames).toFixed(2)
    ])
  ])
  console.log(`\n${done} times ${signal}, segments of ${segment} frames`)
  console.log(
    `frames encoded: ${total}, ${(total / undisturbed).toFixed(3)} x of clean runs; allowed ${Math.round(allowed)}`
  )
  const broken: ReadonlyArray<readonly [string, ReadonlyArray<unknown> | number]> = [
    ["jobs that are not published", jobs.length + 1 - publications.size],
    ["jobs whose pictures or boundaries are others", different],
    ["frames too many", Math.max(0, Math.round(total - allowed))],
    ["processes left", orphans],
    ["workers that did not end well", badEnds],
    ["files left", left],
    ["publications that nobody knows", more]
  ]
  console.log("\nNone of these may be:")
  print(broken.map(([what, found]) => [what, typeof found === "number" ? found : found.length]))
  const problems = broken.flatMap(([, found]) => (typeof found === "number" ? [] : found))
  if (broken.some(([, found]) => (typeof found === "number" ? found : found.length) > 0)) {
    return yield* Effect.die(`a promise was broken: ${problems.join("\n")}`)
  }
}).pipe(Effect.scoped)

NodeRuntime.runMain(program.pipe(Effect.provide(forgetfulBench)))

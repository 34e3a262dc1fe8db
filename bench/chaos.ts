/**
 * Two replicas of the API over one PostgreSQL, ten workers' worth of load, and one replica after the other killed with -9
 * again and again. Afterwards: no job lost, none published twice, every acknowledged write there.
 *
 *     node bench/chaos.ts                                 a minute, 10 workers
 *     node bench/chaos.ts --seconds 20 --workers 4
 *
 * Half of the uploads are resumable, in pieces. Half of the workers are of the older protocol, and half name their lease on
 * every write and list their files, as ours do. Needs ffmpeg, which makes the few small segments that all workers upload.
 * Ends with 1 when a promise is broken.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect, Redacted } from "effect"
import { createHash, randomBytes } from "node:crypto"
import { access } from "node:fs/promises"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { Db } from "../src/adapters/postgres/Db.ts"
import { filmSeconds, makeFilm } from "../test/adapters/worker-api/support/media.ts"
import { print } from "./support/figures.ts"
import { options } from "./support/options.ts"
import { bench, Place } from "./support/place.ts"
import { makeReplicas, type Replica } from "./support/replicas.ts"

const { seconds, workers } = options({ seconds: 60, workers: 10 })
const secret = randomBytes(24).toString("hex")
/** Short, so that a claim whose answer was lost comes back within the run. */
const leaseSeconds = 10
const mostTries = 200
const sha256 = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex")

interface Answer {
  readonly status: number
  readonly json: any
  readonly headers: Headers
}

const counts = { requests: 0, lost: 0, kills: 0, refused: 0, pieces: 0 }

/** One request at one replica; null where no answer came. */
const once = async (replica: Replica, path: string, init: RequestInit): Promise<Answer | null> => {
  counts.requests += 1
  try {
    const answer = await fetch(`${replica.address}${path}`, { ...init, signal: AbortSignal.timeout(20_000) })
    return { status: answer.status, json: await answer.json().catch(() => null), headers: answer.headers }
  } catch {
    counts.lost += 1
    return null
  }
}

/** What a service in front of the replicas does, and a client that tries again: at most so often. */
const client = (replicas: readonly [Replica, Replica], first: number) => {
  let turn = first
  return async (
    path: string,
    init: RequestInit = {},
    beforeAgain: () => Promise<Answer | null> = async () => null
  ): Promise<Answer> => {
    for (let tries = 0; tries < mostTries; tries++) {
      const answer = await once(replicas[turn % 2]!, path, init)
      if (answer !== null && answer.status < 500 && answer.status !== 429) return answer
      turn += 1
      await sleep(100)
      const known = await beforeAgain()
      if (known !== null) return known
    }
    throw new Error(`no answer to ${path} after ${mostTries} tries`)
  }
}

type Call = ReturnType<typeof client>

const admin = { "x-admin-secret": secret }

/** Looks before it sends again: a video whose answer was lost is there. */
const create = async (call: Call, film: Buffer) => {
  const source = Buffer.concat([film, randomBytes(16)])
  const digest = sha256(source)
  const found = async (): Promise<Answer | null> => {
    const answer = await call(`/api/videos?sha256=${digest}`, { headers: admin })
    return answer.status === 200 && answer.json.videos.length > 0 ? { ...answer, status: 201 } : null
  }
  const { json, status } = await call(
    `/api/videos?filename=${digest.slice(0, 12)}.mp4`,
    { method: "POST", headers: admin, body: new Uint8Array(source) },
    found
  )
  if (status !== 201) throw new Error(`an upload was refused: ${status} ${JSON.stringify(json)}`)
  return digest
}

const tus = { ...admin, "tus-resumable": "1.0.0" }

/** In pieces, each of half of what is left, to whichever replica answers. */
const createInPieces = async (call: Call, film: Buffer) => {
  const source = Buffer.concat([film, randomBytes(16)])
  const begun = await call("/api/uploads", {
    method: "POST",
    headers: {
      ...tus,
      "upload-length": String(source.length),
      "upload-metadata": `filename ${Buffer.from("film.mp4").toString("base64")}`
    }
  })
  const path = begun.headers.get("location")
  if (path === null) throw new Error(`an upload was refused: ${begun.status} ${JSON.stringify(begun.json)}`)
  while (true) {
    const offset = Number((await call(path, { method: "HEAD", headers: tus })).headers.get("upload-offset"))
    if (offset === source.length && (await call(path, { headers: admin })).json.video !== null) return sha256(source)
    const left = source.length - offset
    const { status } = await call(path, {
      method: "PATCH",
      headers: { ...tus, "content-type": "application/offset+octet-stream", "upload-offset": String(offset) },
      body: new Uint8Array(source.subarray(offset, offset + (left < 50_000 ? left : Math.ceil(left / 2))))
    })
    if (status === 204) continue
    // Its answer was lost, or a killed replica has it for a while.
    if (status !== 409 && status !== 423) throw new Error(`a piece was refused: ${status}`)
    counts.pieces += 1
    await sleep(500)
  }
}

interface Acknowledged {
  readonly digests: Array<string>
  readonly files: Array<{ readonly lease: string; readonly path: string; readonly sha256: string }>
  readonly completed: Array<{ readonly job: number; readonly lease: string }>
}

const digestOf = (name: string, bytes: Buffer) => ({
  rendition: "360p",
  name,
  bytes: bytes.length,
  sha256: sha256(bytes)
})

type Segments = ReadonlyArray<readonly [name: string, bytes: Buffer]>

/**
 * Takes one job from its claim to its end, naming its lease or as the older protocol has it, and stops where it is told
 * that it is not its any more.
 */
const workOnce = async (
  call: Call,
  { key, named }: { readonly key: string; readonly named: boolean },
  segments: Segments,
  done: Acknowledged
) => {
  const auth = { "x-worker-api-key": key }
  const claimed = await call("/api/worker/claim", {
    method: "POST",
    headers: { ...auth, "x-lease-seconds": String(leaseSeconds) }
  })
  const { job_id: job, lease_id: lease, video_id: video } = claimed.json ?? {}
  if (claimed.status !== 200 || typeof job !== "number") return false
  const holding = named ? { ...auth, "x-lease-id": lease as string } : auth
  for (const [name, bytes] of segments) {
    const { status } = await call(`/api/worker/upload/${video}/segment/360p/${name}`, {
      method: "POST",
      headers: { ...holding, "x-content-sha256": sha256(bytes), "content-type": "application/octet-stream" },
      body: new Uint8Array(bytes)
    })
    if (status !== 200) {
      counts.refused += 1
      return true
    }
    done.files.push({ lease, path: `360p/${name}`, sha256: sha256(bytes) })
  }
  const { status } = await call(`/api/worker/${job}/complete`, {
    method: "POST",
    headers: { ...holding, "content-type": "application/json" },
    body: JSON.stringify({
      qualities: [{ name: "360p", width: 320, height: 180, bitrate: 1000 }],
      ...(named ? { files: segments.map(([name, bytes]) => digestOf(name, bytes)) } : {}),
      duration: filmSeconds,
      source_width: 320,
      source_height: 180
    })
  })
  if (status === 200) done.completed.push({ job, lease })
  else counts.refused += 1
  return true
}

/** One after the other, and never both at once. */
const killAlternately = async (replicas: readonly [Replica, Replica], until: number) => {
  while (Date.now() < until) {
    await sleep(1000 + Math.random() * 1500)
    const victim = replicas[counts.kills % 2]!
    await victim.kill()
    counts.kills += 1
    await sleep(Math.random() * 500)
    await victim.start()
  }
}

const load = async (replicas: readonly [Replica, Replica]): Promise<Acknowledged> => {
  const film = await makeFilm()
  const theirs = [...film.cmaf["360p"]!].toSorted(([a], [b]) => Number(a.endsWith("m3u8")) - Number(b.endsWith("m3u8")))
  // Our own workers write no playlists, and count with five digits.
  const ours = theirs
    .filter(([name]) => !name.endsWith("m3u8"))
    .map(([name, bytes]) => [name.replace(/^seg_/, "seg_0"), bytes] as const)
  const done: Acknowledged = { digests: [], files: [], completed: [] }
  const until = Date.now() + seconds * 1000
  const phase = { creating: true }

  const creator = async () => {
    const call = client(replicas, 0)
    const one = async (make: typeof create) => {
      while (Date.now() < until) {
        done.digests.push(await make(call, film.source))
        await sleep(100)
      }
    }
    await Promise.all([one(create), one(createInPieces)])
    phase.creating = false
  }

  const worker = async (number: number) => {
    const call = client(replicas, number)
    const named = number % 2 === 0
    const { json } = await call("/api/worker/register", {
      method: "POST",
      headers: { ...admin, "content-type": "application/json" },
      body: JSON.stringify({ worker_name: `chaos-${number}`, worker_type: "remote" })
    })
    let idle = 0
    // Two leases and some more without work: what was lost has come back by then.
    while (phase.creating || idle < 2 * leaseSeconds + 10) {
      idle = (await workOnce(call, { key: json.api_key, named }, named ? ours : theirs, done)) ? 0 : idle + 1
      if (idle > 0) await sleep(1000)
    }
  }

  await Promise.all([
    killAlternately(replicas, until),
    creator(),
    ...Array.from({ length: workers }, (_, number) => worker(number))
  ])
  return done
}

const promises = Effect.fnUntraced(function* (done: Acknowledged, storage: string) {
  const db = yield* Db
  const numbersOf = (text: string) =>
    Effect.map(
      db.query<{ n: number }>((sql) => sql.unsafe(text)),
      (rows) => rows[0]!.n
    )
  const known = new Set(
    (yield* db.query<{ sha: string }>((sql) => sql`select source_sha256 as sha from video`)).map(({ sha }) => sha)
  )
  const rows = yield* db.query<{ lease: string; path: string; sha: string }>(
    (sql) =>
      sql`
      select lease_id as lease, path, sha256 as sha from delivered_file
       union all
      select lease_id, rendition || '/' || name, sha256 from attempt_file`
  )
  const written = new Set(rows.map(({ lease, path, sha }) => `${lease} ${path} ${sha}`))
  const published = new Set(
    (yield* db.query<{ id: string }>((sql) => sql`select id from publication`)).map(({ id }) => id)
  )
  const missing = yield* Effect.promise(async () => {
    const there = await Promise.all(
      done.files.map(({ lease, path, sha256 }) =>
        written.has(`${lease} ${path} ${sha256}`)
          ? access(join(storage, "attempts", lease, sha256)).then(
              () => true,
              () => false
            )
          : false
      )
    )
    return there.filter((is) => !is).length
  })
  return [
    ["uploads that were acknowledged and are not there", done.digests.filter((digest) => !known.has(digest)).length],
    [
      "uploads that are there twice",
      yield* numbersOf("select (count(*) - count(distinct source_sha256))::int as n from video")
    ],
    ["jobs that are not done", yield* numbersOf("select count(*)::int as n from job where state <> 'done'")],
    [
      "jobs that were published twice, or by two attempts",
      yield* numbersOf(`select count(*)::int as n from job j
         where (select count(*) from publication p where p.job_id = j.id) > 1
            or (select count(*) from attempt a join task t on t.id = a.task_id
                 where t.job_id = j.id and a.outcome = 'done') > 1`)
    ],
    ["segments that were acknowledged and are not there", missing],
    [
      "completions that were acknowledged and not published",
      done.completed.filter(({ lease }) => !published.has(lease)).length
    ]
  ] as ReadonlyArray<readonly [string, number]>
})

const program = Effect.gen(function* () {
  const { environment, folder } = yield* Place
  const { PGDATABASE, PGHOST, PGPASSWORD, PGPORT, PGUSER } = environment
  const url = Redacted.make(`postgres://${PGUSER}:${encodeURIComponent(PGPASSWORD!)}@${PGHOST}:${PGPORT}/${PGDATABASE}`)
  const storage = join(folder, "storage")
  const replicas = yield* Effect.acquireRelease(
    Effect.promise(() =>
      makeReplicas({
        folder,
        env: {
          PATH: process.env["PATH"] ?? "",
          VLOG_DATABASE_URL: Redacted.value(url),
          VLOG_STORAGE_PATH: storage,
          VLOG_WORKER_ADMIN_SECRET: secret,
          VLOG_SWEEP_INTERVAL: "1 second",
          VLOG_RATE_LIMIT_ENABLED: "false"
        }
      })
    ),
    (all) => Effect.promise(() => Promise.all(all.map((replica) => replica.kill())))
  )
  yield* Effect.promise(() => Promise.all(replicas.map((replica) => replica.start())))
  const done = yield* Effect.promise(() => load(replicas))
  print([
    ["replicas killed", counts.kills],
    ["requests", counts.requests],
    ["requests without an answer", counts.lost],
    ["writes refused, because the lease was another's by then", counts.refused],
    ["pieces of uploads asked for again", counts.pieces],
    ["uploads acknowledged", done.digests.length],
    ["segments acknowledged", done.files.length],
    ["completions acknowledged", done.completed.length]
  ])
  const broken = yield* promises(done, storage)
  console.log("\nNone of these may be:")
  print(broken.map(([what, count]) => [what, count]))
  if (broken.some(([, count]) => count > 0)) return yield* Effect.die("a promise was broken")
}).pipe(Effect.scoped)

NodeRuntime.runMain(program.pipe(Effect.provide(bench)))

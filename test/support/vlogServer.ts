/**
 * VLog's own server as far as a worker sees it: one video, one claim at a time, its folder of files, and its refusals. It
 * keeps to the wire in everything that it checks; what it does not check either, such as gaps, it lets pass.
 */
import { createHash } from "node:crypto"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { Readable } from "node:stream"
import { gunzipSync } from "node:zlib"
import { extract } from "tar-stream"

export const vlogKey = "dGhlIGtleSBvZiBhIHdvcmtlciBvZiBWTG9nIGl0c2Vs"

const qualities = /^(?:2160p|1440p|1080p|720p|480p|360p|original)$/
const steps = /^(?:download|probe|thumbnail|transcode|master_playlist|upload|finalize)$/
const statuses = /^(?:pending|in_progress|uploading|completed|uploaded|failed|skipped)$/

interface Answer {
  readonly status: number
  readonly body: unknown
}

const ok = (body: Readonly<Record<string, unknown>>): Answer => ({ status: 200, body: { status: "ok", ...body } })
const refused = (status: number, detail: string): Answer => ({ status, body: { detail } })

const magic = (name: string, bytes: Buffer) => {
  if (bytes.length < 8) return false
  const box = bytes.toString("latin1", 4, 8)
  if (name.endsWith(".m4s")) return ["ftyp", "moof", "styp", "sidx", "emsg"].includes(box)
  return name.endsWith(".mp4") ? box === "ftyp" : /\.(m3u8|mpd|ts)$/.test(name)
}

const filesOf = async (archive: Buffer) => {
  const files = new Map<string, Buffer>()
  const tar = extract()
  Readable.from([gunzipSync(archive)]).pipe(tar)
  for await (const entry of tar) {
    const chunks: Array<Buffer> = []
    for await (const chunk of entry) chunks.push(Buffer.from(chunk as Uint8Array))
    if (!["master.m3u8", "manifest.mpd", "thumbnail.jpg"].includes(entry.header.name)) throw new Error("unexpected")
    files.set(entry.header.name, Buffer.concat(chunks))
  }
  return files
}

export interface VlogServer {
  readonly address: string
  /** By path below the video's folder. */
  readonly files: ReadonlyMap<string, Buffer>
  /** `METHOD path`, in order. */
  readonly calls: ReadonlyArray<string>
  readonly progress: ReadonlyArray<Readonly<Record<string, any>>>
  readonly completed: () => Readonly<Record<string, any>> | undefined
  readonly failed: () => string | undefined
  /** Whatever a caller did that the real one would not take. */
  readonly wrong: ReadonlyArray<string>
  /** Answers the next call whose path has this in it, in place of the server. */
  next(path: string, answer: Answer): void
  /** The claim is another's. */
  takeAway(): void
  close(): void
}

export const startVlogServer = async (source: Buffer): Promise<VlogServer> => {
  const files = new Map<string, Buffer>()
  const calls: Array<string> = []
  const progress: Array<Readonly<Record<string, any>>> = []
  const wrong: Array<string> = []
  const tokens = new Set<string>()
  const planned: Array<{ readonly path: string; readonly answer: Answer }> = []
  let held = false
  let taken = false
  let completed: Readonly<Record<string, any>> | undefined
  let failed: string | undefined
  const inHalfAnHour = () => new Date(Date.now() + 1_800_000).toISOString()

  const claim = (): Answer => {
    const free = !held && completed === undefined && failed === undefined && !taken
    held = held || free
    return {
      status: 200,
      body: {
        job_id: free ? 7 : null,
        video_id: free ? 42 : null,
        video_slug: free ? "a-film" : null,
        video_duration: free ? 0 : null,
        source_width: free ? 0 : null,
        source_height: free ? 0 : null,
        source_filename: free ? "../../42.mp4" : null,
        claim_expires_at: free ? inHalfAnHour() : null,
        existing_qualities: null,
        message: free ? "Job claimed successfully" : "No jobs available"
      }
    }
  }

  const report = (body: Readonly<Record<string, any>>): Answer => {
    const items = (body["quality_progress"] ?? []) as ReadonlyArray<Readonly<Record<string, any>>>
    if (body["current_step"] != null && !steps.test(body["current_step"])) return refused(422, "current_step")
    if (!Number.isInteger(body["progress_percent"])) return refused(422, "progress_percent")
    if (items.some((item) => !statuses.test(item["status"]))) return refused(422, "status")
    if (items.some((item) => !qualities.test(item["name"]))) return { status: 500, body: "Internal Server Error" }
    progress.push(body)
    return ok({ claim_expires_at: inHalfAnHour() })
  }

  const complete = (body: Readonly<Record<string, any>>): Answer => {
    const token = String(body["completion_token"])
    if (!/^7-[0-9a-f-]{36}$/.test(token)) return refused(422, "completion_token")
    const done = ok({ message: "Job already completed" })
    if (completed !== undefined || tokens.has(token)) return done
    tokens.add(token)
    completed = body
    return ok({ message: "Job completed successfully" })
  }

  const segment = (request: IncomingMessage, quality: string, name: string, bytes: Buffer): Answer => {
    if (!qualities.test(quality)) return refused(400, "Invalid request")
    if (!magic(name, bytes)) return refused(400, "Invalid file format")
    const digest = createHash("sha256").update(bytes).digest("hex")
    if (request.headers["x-content-sha256"] !== digest) return refused(400, "Checksum verification failed")
    files.set(`${quality}/${name}`, bytes)
    return ok({ written: true, bytes_written: bytes.length, checksum_verified: true })
  }

  const finalizeSegments = (body: Readonly<Record<string, any>>): Answer => {
    const names = [...files.keys()].filter(
      (name) => name.startsWith(`${body["quality"]}/`) && /\.(m4s|mp4)$/.test(name)
    )
    const playlist = files.get(`${body["quality"]}/stream.m3u8`) ?? Buffer.alloc(0)
    const digest = `sha256:${createHash("sha256").update(playlist).digest("hex")}`
    const problem =
      names.length < body["segment_count"]
        ? `Expected ${body["segment_count"]} segments, found ${names.length}`
        : digest === body["manifest_checksum"]
          ? null
          : "Manifest checksum mismatch"
    return {
      status: 200,
      body: {
        status: problem === null ? "ok" : "incomplete",
        complete: problem === null,
        missing_segments: problem === null ? [] : [problem]
      }
    }
  }

  const finalize = async (request: IncomingMessage, bytes: Buffer): Promise<Answer> => {
    const form = await new Response(new Uint8Array(bytes), {
      headers: { "content-type": request.headers["content-type"] ?? "" }
    }).formData()
    const file = form.get("file")
    if (!(file instanceof File)) return refused(422, "file")
    for (const [name, text] of await filesOf(Buffer.from(await file.arrayBuffer()))) files.set(name, text)
    return ok({ message: "Finalize files uploaded successfully" })
  }

  const route = async (request: IncomingMessage, bytes: Buffer): Promise<Answer> => {
    const path = request.url ?? ""
    const json = () => JSON.parse(bytes.toString()) as Record<string, any>
    if (request.headers["x-worker-api-key"] !== vlogKey) return refused(401, "Invalid API key")
    if (path === "/api/worker/heartbeat") {
      const now = new Date().toISOString()
      const { status } = json()
      if (!/^(active|busy|idle)$/.test(status)) return refused(422, "status")
      return ok({
        server_time: now,
        required_version: "c2ffad0",
        version_ok: true,
        worker_status: status,
        current_job_id: held ? 7 : null,
        last_heartbeat_recorded: now
      })
    }
    if (path === "/api/worker/claim") return claim()
    if (path === "/api/worker/7/fail") {
      failed = String(json()["error_message"])
      return ok({ will_retry: false, attempt_number: 1 })
    }
    if (!held) return refused(403, "Not your job")
    if (path === "/api/worker/7/progress") return report(json())
    if (path === "/api/worker/7/complete") return complete(json())
    if (path === "/api/worker/upload/42/finalize") return finalize(request, bytes)
    if (path === "/api/worker/upload/42/segment/finalize") return finalizeSegments(json())
    const [, quality, name] = /^\/api\/worker\/upload\/42\/segment\/([^/]+)\/([^/]+)$/.exec(path) ?? []
    if (quality !== undefined && name !== undefined) return segment(request, quality, name, bytes)
    return refused(404, "Not Found")
  }

  const sendSource = (request: IncomingMessage, response: ServerResponse) => {
    const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "") ?? []
    const start = Number(from ?? 0)
    const end = to === undefined || to === "" ? source.length - 1 : Number(to)
    const part = source.subarray(start, end + 1)
    response
      .writeHead(from === undefined ? 200 : 206, {
        "content-type": "application/octet-stream",
        "content-length": part.length,
        etag: '"0123abcd"',
        ...(from === undefined ? {} : { "content-range": `bytes ${start}-${end}/${source.length}` })
      })
      .end(part)
  }

  const server = createServer((request, response) => {
    const chunks: Array<Buffer> = []
    request.on("data", (chunk: Buffer) => chunks.push(chunk))
    request.on("end", async () => {
      const path = request.url ?? ""
      calls.push(`${request.method} ${path}`)
      const index = planned.findIndex((one) => path.includes(one.path))
      if (index === -1 && path === "/api/worker/source/42" && held) return sendSource(request, response)
      if (request.headers["transfer-encoding"] !== undefined) wrong.push(`${path} came in chunks`)
      const answer =
        index === -1
          ? await route(request, Buffer.concat(chunks)).catch(() => refused(500, "Internal Server Error"))
          : planned.splice(index, 1)[0]!.answer
      if (answer.status >= 400 && index === -1 && held) wrong.push(`${path}: ${JSON.stringify(answer.body)}`)
      response
        .writeHead(answer.status, { "content-type": "application/json" })
        .end(typeof answer.body === "string" ? answer.body : JSON.stringify(answer.body))
    })
  })
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done))
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    files,
    calls,
    progress,
    completed: () => completed,
    failed: () => failed,
    wrong,
    next: (path, answer) => void planned.push({ path, answer }),
    takeAway: () => {
      held = false
      taken = true
    },
    close: () => {
      server.closeAllConnections()
      server.close()
    }
  }
}

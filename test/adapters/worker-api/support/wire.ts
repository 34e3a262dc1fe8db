/** Requests as the older worker's HTTP client makes them, and its archives, byte for byte. */
import { createHash, randomBytes } from "node:crypto"
import { Agent, request } from "node:http"
import { gzipSync } from "node:zlib"
import { adminSecret } from "./server.ts"

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
  readonly text: string
  readonly bytes: Buffer
  readonly json: Readonly<Record<string, any>>
}

export interface Call {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Buffer | string
}

const agent = new Agent({ keepAlive: true, maxSockets: 20 })

const parsed = (text: string): Record<string, any> => {
  try {
    return JSON.parse(text) as Record<string, any>
  } catch {
    return {}
  }
}

/** The path goes on the wire as it is given. */
export const send = (address: string, path: string, call: Call = {}): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const { hostname, port } = new URL(address)
    const outgoing = request({
      agent,
      hostname,
      port,
      path,
      method: call.method ?? "GET",
      headers: {
        accept: "*/*",
        "accept-encoding": "gzip, deflate",
        "user-agent": "python-httpx/0.28.1",
        ...(call.body === undefined ? {} : { "content-length": String(Buffer.byteLength(call.body)) }),
        ...call.headers
      }
    })
    outgoing.on("error", reject)
    outgoing.on("response", (incoming) => {
      const chunks: Array<Buffer> = []
      incoming.on("data", (chunk: Buffer) => chunks.push(chunk))
      incoming.on("error", reject)
      incoming.on("end", () => {
        const bytes = Buffer.concat(chunks)
        const text = bytes.toString()
        resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, text, bytes, json: parsed(text) })
      })
    })
    outgoing.end(call.body)
  })

/** What a test may do with the server, in the name of one worker. */
export const workerAt = (address: string, key: string) => {
  const auth = { "x-worker-api-key": key }
  return {
    get: (path: string, headers: Readonly<Record<string, string>> = {}) =>
      send(address, path, { headers: { ...auth, ...headers } }),
    /** Compact JSON with its type, as httpx sends it. */
    post: (path: string, body: unknown) =>
      send(address, path, {
        method: "POST",
        headers: { ...auth, "content-type": "application/json" },
        body: JSON.stringify(body)
      }),
    /** Neither body nor type, but a length. */
    bare: (path: string) => send(address, path, { method: "POST", headers: { ...auth, "content-length": "0" } }),
    segment: (path: string, bytes: Buffer, digest = sha256(bytes)) =>
      send(address, path, {
        method: "POST",
        headers: { ...auth, "content-type": "application/octet-stream", "x-content-sha256": digest },
        body: bytes
      }),
    archive: (path: string, name: string, bytes: Buffer) => {
      const form = multipart(name, bytes)
      return send(address, path, {
        method: "POST",
        headers: { ...auth, "content-type": form.contentType },
        body: form.body
      })
    }
  }
}

export const sha256 = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex")

export const register = async (
  address: string,
  name: string
): Promise<{ readonly id: string; readonly key: string }> => {
  const answer = await send(address, "/api/worker/register", {
    method: "POST",
    headers: { "x-admin-secret": adminSecret, "content-type": "application/json" },
    body: JSON.stringify({ worker_type: "remote", worker_name: name })
  })
  return { id: String(answer.json["worker_id"]), key: String(answer.json["api_key"]) }
}

export const uploadVideo = async (address: string, name: string, bytes: Buffer) => {
  const answer = await send(address, `/api/videos?filename=${name}`, {
    method: "POST",
    headers: { "x-admin-secret": adminSecret, "content-type": "application/octet-stream" },
    body: bytes
  })
  return answer.json as {
    readonly video: { readonly id: number; readonly slug: string }
    readonly job: { readonly id: number }
  }
}

const boundary = () => `----WebKitFormBoundary${randomBytes(16).toString("hex")}`

export const multipart = (name: string, bytes: Buffer) => {
  const mark = boundary()
  const head = `--${mark}\r\nContent-Disposition: form-data; name="file"; filename="${name}"\r\nContent-Type: application/gzip\r\n\r\n`
  return {
    contentType: `multipart/form-data; boundary=${mark}`,
    body: Buffer.concat([Buffer.from(head), bytes, Buffer.from(`\r\n--${mark}--\r\n`)])
  }
}

export interface Member {
  readonly name: string
  readonly bytes?: Buffer
  /** The type flag; a regular file unless said otherwise. */
  readonly type?: string
  readonly link?: string
  /** Said in the header instead of the true size. */
  readonly size?: number
  readonly pax?: Readonly<Record<string, string>>
}

const header = (member: Member & { readonly size: number }): Buffer => {
  const block = Buffer.alloc(512)
  const field = (text: string, at: number, length: number) => block.write(text.slice(0, length), at, "utf8")
  const octal = (value: number, at: number, length: number) =>
    field(`${value.toString(8).padStart(length - 1, "0")}\0`, at, length)
  field(member.name, 0, 100)
  octal(0o644, 100, 8)
  octal(1000, 108, 8)
  octal(1000, 116, 8)
  octal(member.size, 124, 12)
  octal(1_764_000_000, 136, 12)
  field("        ", 148, 8)
  field(member.type ?? "0", 156, 1)
  field(member.link ?? "", 157, 100)
  field("ustar\u000000", 257, 8)
  field("worker", 265, 32)
  field("worker", 297, 32)
  octal(
    block.reduce((sum, byte) => sum + byte, 0),
    148,
    7
  )
  return block
}

const padded = (bytes: Buffer, to: number) => Buffer.concat([bytes, Buffer.alloc((to - (bytes.length % to)) % to)])

const paxRecord = (key: string, value: string) => {
  const rest = Buffer.byteLength(` ${key}=${value}\n`)
  let length = rest + String(rest).length
  length = rest + String(length).length
  return `${length} ${key}=${value}\n`
}

/** As Python's `tarfile` writes PAX: each member after an `x` header with its fractional time, padded to 10240 bytes. */
export const tar = (members: ReadonlyArray<Member>, format: "pax" | "ustar" = "pax"): Buffer => {
  const blocks = members.flatMap((member, index) => {
    const bytes = member.bytes ?? Buffer.alloc(0)
    const size = member.size ?? bytes.length
    const records = Buffer.from(
      Object.entries({ mtime: `1764000000.${index}234567`, ...member.pax })
        .map(([key, value]) => paxRecord(key, value))
        .join("")
    )
    return [
      ...(format === "pax"
        ? [header({ name: "././@PaxHeader", type: "x", size: records.length }), padded(records, 512)]
        : []),
      header({ ...member, size }),
      padded(bytes, 512)
    ]
  })
  return padded(Buffer.concat([...blocks, Buffer.alloc(1024)]), 10_240)
}

/** A single gzip stream that names its file, as the older worker's does. */
export const tarGzip = (members: ReadonlyArray<Member>, format: "pax" | "ustar" = "pax"): Buffer => {
  const plain = gzipSync(tar(members, format), { level: 9 })
  const named = Buffer.from(plain)
  named[3] = 0x08
  return Buffer.concat([named.subarray(0, 10), Buffer.from("quality.tar\0"), named.subarray(10)])
}

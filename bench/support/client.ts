/** A client that costs little, so that the servers have the machine. */
import { connect } from "node:net"
import { cpuOf, type Running } from "./programs.ts"

export const get = (path: string) => `GET ${path} HTTP/1.1\r\nhost: bench\r\n\r\n`

export const post = (path: string, headers: string, body: unknown) => {
  const text = JSON.stringify(body)
  return (
    `POST ${path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n${headers}` +
    `content-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`
  )
}

/** One request after the other on one connection. */
const ask = (port: number, request: string, until: number) =>
  new Promise<number>((resolve, reject) => {
    let done = 0
    let text = ""
    const socket = connect({ port, host: "127.0.0.1", noDelay: true }, () => socket.write(request))
    socket.setEncoding("latin1")
    socket.on("error", reject)
    socket.on("data", (more: string) => {
      text += more
      const head = text.indexOf("\r\n\r\n")
      if (head === -1) return
      const length = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? 0)
      if (text.length < head + 4 + length) return
      if (!/^HTTP\/1\.1 (?:200|404) /.test(text)) return reject(new Error(text.slice(0, 500)))
      text = ""
      done += 1
      if (performance.now() < until) return void socket.write(request)
      socket.end()
      resolve(done)
    })
  })

export interface Rate {
  readonly perSecond: number
  /** Microseconds of the server's processor time a request. */
  readonly cpu: number
}

/** `requests`: one for each connection. */
export const measure = async (server: Running, requests: ReadonlyArray<string>, seconds: number): Promise<Rate> => {
  const port = Number(new URL(server.address).port)
  const began = performance.now()
  const before = await cpuOf(server.pid)
  const counts = await Promise.all(requests.map((request) => ask(port, request, began + seconds * 1000)))
  const done = counts.reduce((sum, count) => sum + count, 0)
  return {
    perSecond: (done * 1000) / (performance.now() - began),
    cpu: (((await cpuOf(server.pid)) - before) * 1e6) / done
  }
}

/** A new worker's key. */
export const register = async (address: string, secret: string, name: string) => {
  const answer = await fetch(`${address}/api/worker/register`, {
    method: "POST",
    headers: { "x-admin-secret": secret, "content-type": "application/json" },
    body: JSON.stringify({ worker_type: "remote", worker_name: name })
  })
  return ((await answer.json()) as { readonly api_key: string }).api_key
}

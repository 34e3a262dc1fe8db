/** A TCP proxy in front of PostgreSQL that can break connections the way networks do. */
import { connect, createServer, type Socket } from "node:net"
import { Effect, Redacted } from "effect"

export interface FaultyProxy {
  readonly url: Redacted.Redacted
  /** Share of the chunks, in either direction, that are answered with a reset; 0 in the beginning. */
  resetShare: number
  /** Connections that exist forward nothing any more, for ever; new ones work. */
  stall(): void
  /** Resets every connection, busy or idle. */
  resetAll(): void
  /** Resets whoever connects. */
  refusing: boolean
  /** How many connections were reset so far. */
  resets: number
}

export const faultyProxy = Effect.fnUntraced(function* (target: Redacted.Redacted) {
  const to = new URL(Redacted.value(target))
  const pairs = new Set<{ readonly client: Socket; readonly server: Socket; stalled: boolean }>()
  const reset = (client: Socket, server: Socket) => {
    proxy.resets++
    client.resetAndDestroy()
    server.destroy()
  }
  const listener = createServer((client) => {
    const server = connect(Number(to.port), to.hostname)
    const pair = { client, server, stalled: false }
    pairs.add(pair)
    if (proxy.refusing) return reset(client, server)
    for (const [from, into] of [
      [client, server],
      [server, client]
    ] as const) {
      from.on("error", () => {})
      from.on("data", (chunk) => {
        if (pair.stalled) return
        if (Math.random() < proxy.resetShare) reset(client, server)
        else into.write(chunk)
      })
      from.on("close", () => {
        pairs.delete(pair)
        if (!pair.stalled) into.destroy()
      })
    }
  })
  yield* Effect.acquireRelease(
    Effect.callback<void>((resume) => void listener.listen(0, "127.0.0.1", () => resume(Effect.void))),
    () =>
      Effect.sync(() => {
        listener.close()
        for (const { client, server } of pairs) {
          client.destroy()
          server.destroy()
        }
      })
  )
  const address = listener.address()
  const url = new URL(to)
  url.port = typeof address === "object" && address !== null ? `${address.port}` : ""
  const proxy: FaultyProxy = {
    url: Redacted.make(url.href),
    resetShare: 0,
    refusing: false,
    resets: 0,
    stall: () => {
      for (const pair of pairs) pair.stalled = true
    },
    resetAll: () => {
      for (const { client, server } of pairs) reset(client, server)
    }
  }
  return proxy
})

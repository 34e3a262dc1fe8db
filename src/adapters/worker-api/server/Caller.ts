/** Where a request came from. */
import { Context, Option } from "effect"
import type { HttpServerRequest } from "effect/http"

/** Addresses of proxies whose word on the caller's address is taken. */
export const TrustedProxies = Context.Reference<ReadonlySet<string>>(
  "vlog/adapters/worker-api/server/Caller/TrustedProxies",
  { defaultValue: () => new Set() }
)

const plain = (address: string) => address.trim().replace(/^::ffff:/, "")

export const addressOf = (request: HttpServerRequest.HttpServerRequest, trusted: ReadonlySet<string>): string => {
  const peer = plain(Option.getOrElse(request.remoteAddress, () => "unknown"))
  const forwarded = request.headers["x-forwarded-for"]?.split(",")[0]
  return forwarded !== undefined && trusted.has(peer) ? plain(forwarded).slice(0, 64) : peer
}

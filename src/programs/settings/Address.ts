/** Where a Worker API is, as people write it. */
import { unescape as unquote } from "node:querystring"
import { Redacted, Schema } from "effect"

export const Address = Schema.URLFromString.pipe(
  Schema.check(
    Schema.makeFilter(
      (url) => ["http:", "https:"].includes(url.protocol) || "Expected an address like http://host:9002"
    )
  )
)

/**
 * An address is told in logs, messages and on pages, so that a name and a password in it are taken out. It has no
 * slash at its end: paths are appended.
 */
export const withoutLogin = (url: URL) => {
  const bare = new URL(url)
  bare.username = ""
  bare.password = ""
  const login = { name: unquote(url.username), password: Redacted.make(unquote(url.password)) }
  return {
    address: `${bare.origin}${bare.pathname}`.replace(/\/+$/, ""),
    login: url.username === "" && url.password === "" ? null : login
  }
}

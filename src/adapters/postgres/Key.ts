/**
 * Keys: `vlogw_<id>_<secret><check>` of a worker, `vloga_` of an admin, `vlogr_` of a reader. The id finds the row, the
 * secret is 256 random bits of which only a SHA-256 is kept (a slow hash protects weak passwords; nobody guesses this),
 * and the check lets a scanner or a typing mistake be recognised without the database. Keys of a VLog server are such a
 * secret by itself, and are known once somebody brought them: the first half of the digest is their id.
 */
import { Redacted } from "effect"
import { createHash, randomBytes, timingSafeEqual } from "node:crypto"
import { crc32 } from "node:zlib"

const letters = { worker: "w", admin: "a", read: "r" } as const

const pattern = /^vlog[war]_([A-Za-z0-9]{12})_([A-Za-z0-9_-]{43})([0-9a-f]{8})$/

const broughtPattern = /^[A-Za-z0-9_-]{43}$/

const checkOf = (id: string, secret: string) => crc32(`${id}_${secret}`).toString(16).padStart(8, "0")

const digest = (secret: string) => createHash("sha256").update(secret).digest("hex")

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

const randomId = () => Array.from(randomBytes(12), (byte) => alphabet[byte % alphabet.length]).join("")

export const mint = (scope: keyof typeof letters) => {
  const id = randomId()
  const secret = randomBytes(32).toString("base64url")
  return {
    id,
    digest: digest(secret),
    key: Redacted.make(`vlog${letters[scope]}_${id}_${secret}${checkOf(id, secret)}`)
  }
}

/** The id to look up, and the digest of the secret. */
export interface Kept {
  readonly id: string
  readonly digest: string
}

/** Of a key of a VLog server; null for a text that is none. */
export const brought = (key: Redacted.Redacted): Kept | null => {
  if (!broughtPattern.test(Redacted.value(key))) return null
  const whole = digest(Redacted.value(key))
  return { id: whole.slice(0, 32), digest: whole }
}

/** Null for a text that is no key. */
export const parse = (key: Redacted.Redacted): Kept | null => {
  const [, id = "", secret = "", check = ""] = pattern.exec(Redacted.value(key)) ?? []
  return id !== "" && checkOf(id, secret) === check ? { id, digest: digest(secret) } : brought(key)
}

export const sameDigest = (a: string, b: string): boolean =>
  a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b))

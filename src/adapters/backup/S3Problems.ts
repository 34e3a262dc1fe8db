/** Reads what the client of S3 fails with. */
import { CopyProblem } from "../../domain/ports/BackupCopies.ts"

interface Fault {
  readonly name?: unknown
  readonly code?: unknown
  readonly message?: unknown
  readonly $metadata?: { readonly httpStatusCode?: number }
}

const unreachable =
  /ECONNREFUSED|ECONNRESET|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EHOSTUNREACH|EPIPE|TimeoutError|SlowDown|ServiceUnavailable|InternalError|CERT|SELF_SIGNED|UNABLE_TO_/
const denied =
  /AccessDenied|InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken|InvalidToken|CredentialsProviderError|Forbidden/
const missing = /NoSuchBucket|NoSuchKey|NotFound|PermanentRedirect/

const reasonOf = (words: string, status: number): CopyProblem["reason"] => {
  if (denied.test(words) || status === 403 || status === 401) return "denied"
  if (missing.test(words) || status === 404) return "missing"
  return unreachable.test(words) || status >= 500 ? "unreachable" : "failed"
}

export const copyProblem = (place: string, cause: unknown): CopyProblem => {
  const fault: Fault = typeof cause === "object" && cause !== null ? cause : {}
  const [name, code] = [fault.name, fault.code].map((word) => (typeof word === "string" ? word : ""))
  const message = typeof fault.message === "string" && fault.message !== "" ? fault.message : String(cause)
  const title = [name, code].find((word) => word !== "" && word !== "Error" && !message.includes(word!))
  return new CopyProblem({
    reason: reasonOf(`${name} ${code} ${message}`, fault.$metadata?.httpStatusCode ?? 0),
    place,
    problem: title === undefined ? message : `${title}: ${message}`
  })
}

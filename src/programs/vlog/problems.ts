/** Why a command could not do what it was asked, one class for each exit code. */
import { Schema } from "effect"
import type { HttpClientError } from "effect/http"
import { rootCause } from "../../adapters/worker-api/client/Connection.ts"
import type * as Contract from "../../adapters/worker-api/contract/Errors.ts"

const fields = { problem: Schema.String }

export class Unreachable extends Schema.TaggedError<Unreachable>()("Unreachable", fields) {
  override get message() {
    return this.problem
  }
}

export class Denied extends Schema.TaggedError<Denied>()("Denied", fields) {
  override get message() {
    return this.problem
  }
}

/** What was named does not exist. */
export class NotThere extends Schema.TaggedError<NotThere>()("NotThere", fields) {
  override get message() {
    return this.problem
  }
}

/** May be granted when it is asked again a little later. */
export class Busy extends Schema.TaggedError<Busy>()("Busy", fields) {
  override get message() {
    return this.problem
  }
}

/** Asked for something that makes no sense as things are. */
export class Refused extends Schema.TaggedError<Refused>()("Refused", fields) {
  override get message() {
    return this.problem
  }
}

export type Problem = Unreachable | Denied | NotThere | Busy | Refused

export type WireError =
  | Contract.BadRequest
  | Contract.BodyTimeout
  | Contract.Conflict
  | Contract.Forbidden
  | Contract.Gone
  | Contract.NotFound
  | Contract.StorageFull
  | Contract.TooLarge
  | Contract.Unauthorized
  | Contract.Unavailable
  | Contract.Unprocessable
  | HttpClientError.HttpClientError
  | Schema.SchemaError

/** Where the address and the secret of a request come from, for messages. */
export interface Origin {
  readonly address: string
  readonly addressFrom: string
  readonly secretFrom: string
}

export const unreachable = ({ address, addressFrom }: Origin, error: unknown) =>
  new Unreachable({
    problem: `${address} (from ${addressFrom}) cannot be reached (${rootCause(error)}): is the Worker API running there?`
  })

export const strange = ({ address, addressFrom }: Origin, answer: string) =>
  new Unreachable({ problem: `${address} (from ${addressFrom}) does not answer like a vlog Worker API: ${answer}` })

/** By its status, where the answer is none that the contract knows. */
export const byStatus = (origin: Origin, status: number, detail: string): Problem => {
  const { address, secretFrom } = origin
  switch (status) {
    case 401:
    case 403:
      return new Denied({ problem: `${address} rejects the secret from ${secretFrom}: ${detail}` })
    case 404:
    case 410:
      return new NotThere({ problem: detail })
    case 429:
      return new Busy({ problem: `${address} has had too many requests from here: try again in a minute` })
    case 408:
    case 503:
    case 507:
      return new Unreachable({ problem: `${address}: ${detail}` })
  }
  if (status >= 500) return new Unreachable({ problem: `${address} answers with status ${status}` })
  return new Refused({ problem: detail })
}

const statusOf = {
  BadRequest: 400,
  Unauthorized: 401,
  Forbidden: 403,
  NotFound: 404,
  BodyTimeout: 408,
  Conflict: 409,
  Gone: 410,
  TooLarge: 413,
  Unprocessable: 422,
  Unavailable: 503,
  StorageFull: 507
} as const

export const toProblem =
  (origin: Origin) =>
  (error: WireError): Problem => {
    if (error._tag === "SchemaError") return strange(origin, error.message.split("\n")[0]!)
    if (error._tag !== "HttpClientError") return byStatus(origin, statusOf[error._tag], error.message)
    const status = error.response?.status
    if (status === undefined) return unreachable(origin, error.reason)
    if (status >= 500 || status === 429) return byStatus(origin, status, error.message)
    return strange(origin, `status ${status}`)
  }

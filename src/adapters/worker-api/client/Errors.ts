/** What went wrong between this program and a Worker API, in words that tell an operator what to do. */
import type { Schema } from "effect"
import type { HttpClientError } from "effect/http"
import { ApiRefused, ApiUnavailable, LeaseLost } from "../../../domain/ports/WorkerApi.ts"
import type * as Contract from "../contract/Errors.ts"
import { rootCause } from "./Connection.ts"

type Refusal =
  | Contract.BadRequest
  | Contract.Unauthorized
  | Contract.Forbidden
  | Contract.NotFound
  | Contract.Conflict
  | Contract.TooLarge
  | Contract.Unprocessable
  | Contract.Unavailable
  | Contract.StorageFull
  | Contract.BodyTimeout

export type WireError = Refusal | HttpClientError.HttpClientError | Schema.SchemaError

/** Where an API is meant to be, for messages. */
export type Address = string

const strangeAnswer = (address: Address, status: number | undefined) =>
  new ApiRefused({
    status: status ?? 0,
    problem: `${address} does not answer like a vlog Worker API${
      status === undefined ? "" : ` (status ${status})`
    }: check VLOG_WORKER_API_URL`
  })

const rejectedKey = (address: Address, status: number, detail: string) =>
  new ApiRefused({
    status,
    problem: `${address} rejects the key of this worker (${detail}): check VLOG_WORKER_API_KEY`
  })

const transport = (error: HttpClientError.HttpClientError, address: Address) => {
  const status = error.response?.status
  if (status === undefined)
    return new ApiUnavailable({ problem: `${address} cannot be reached (${rootCause(error.reason)})` })
  return status >= 500 || status === 429
    ? new ApiUnavailable({ problem: `${address} answers with status ${status}` })
    : strangeAnswer(address, status)
}

/** For what goes past the contract, being bytes: a source. */
export const errorOfStatus = (status: number, problem: string): ApiUnavailable | ApiRefused | LeaseLost => {
  if ([401, 403, 404, 409].includes(status)) return new LeaseLost({ problem })
  return status >= 500 || status === 429 ? new ApiUnavailable({ problem }) : new ApiRefused({ status, problem })
}

/** And a segment. 400 is what bytes get that were spoiled on their way: they may arrive whole next time. */
export const errorOfUpload = (address: Address, file: string, status: number, answer: string) => {
  const problem = `${address} refused ${file} with status ${status}: ${answer.slice(0, 300)}`
  return status === 400 ? new ApiUnavailable({ problem }) : errorOfStatus(status, problem)
}

/** For calls that any worker may make. */
export const toApiError =
  (address: Address) =>
  (error: WireError): ApiUnavailable | ApiRefused => {
    switch (error._tag) {
      case "HttpClientError":
        return transport(error, address)
      case "SchemaError":
        return strangeAnswer(address, undefined)
      case "Unauthorized":
        return rejectedKey(address, 401, error.message)
      case "Forbidden":
        return rejectedKey(address, 403, error.message)
      case "Unavailable":
      case "StorageFull":
      case "BodyTimeout":
        return new ApiUnavailable({ problem: error.message })
      case "BadRequest":
        return new ApiRefused({ status: 400, problem: error.message })
      case "NotFound":
        return new ApiRefused({ status: 404, problem: error.message })
      case "Conflict":
        return new ApiRefused({ status: 409, problem: error.message })
      case "TooLarge":
        return new ApiRefused({ status: 413, problem: error.message })
      case "Unprocessable":
        return new ApiRefused({ status: 422, problem: error.message })
    }
  }

/**
 * For calls about a claimed task, where some refusals mean that the task is not ours any more. With a key that is none any
 * more, nothing is: the tasks of a worker that was revoked are given to others at once.
 */
export const toTaskError =
  (address: Address) =>
  (error: WireError): ApiUnavailable | ApiRefused | LeaseLost => {
    if (error._tag === "Unauthorized")
      return new LeaseLost({ problem: rejectedKey(address, 401, error.message).problem })
    return error._tag === "Conflict" || error._tag === "NotFound" || error._tag === "Forbidden"
      ? new LeaseLost({ problem: error.message })
      : toApiError(address)(error)
  }

/** Requests that do not fit the contract get a 422 that names each field. */
import { HttpApiMiddleware } from "effect/http-api"
import { Unprocessable } from "./Errors.ts"

export class Validation extends HttpApiMiddleware.Service<Validation>()(
  "vlog/adapters/worker-api/contract/Validation",
  { error: Unprocessable }
) {}

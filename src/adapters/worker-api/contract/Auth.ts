/** Who may call what: workers by key, operators by the admin secret or a key of theirs in its place. */
import { Context } from "effect"
import { HttpApiMiddleware, HttpApiSecurity } from "effect/http-api"
import type { WorkerId } from "../../../domain/ids.ts"
import { Forbidden, Unauthorized, Unavailable } from "./Errors.ts"

export const keyHeader = "x-worker-api-key"
export const adminHeader = "x-admin-secret"
export const leaseHeader = "x-lease-id"

/** The worker whose key came with the request. */
export class CallingWorker extends Context.Service<CallingWorker, { readonly id: WorkerId }>()(
  "vlog/adapters/worker-api/contract/Auth/CallingWorker"
) {}

export class WorkerAuth extends HttpApiMiddleware.Service<WorkerAuth, { provides: CallingWorker }>()(
  "vlog/adapters/worker-api/contract/Auth/WorkerAuth",
  {
    requiredForClient: true,
    security: { key: HttpApiSecurity.apiKey({ key: keyHeader, in: "header" }) },
    error: [Unauthorized, Forbidden, Unavailable]
  }
) {}

export class AdminAuth extends HttpApiMiddleware.Service<AdminAuth>()(
  "vlog/adapters/worker-api/contract/Auth/AdminAuth",
  {
    requiredForClient: true,
    security: { secret: HttpApiSecurity.apiKey({ key: adminHeader, in: "header" }) },
    error: [Unauthorized, Forbidden, Unavailable]
  }
) {}

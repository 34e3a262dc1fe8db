/** What an operator sets for the Worker API. */
import { Context, type Redacted } from "effect"

export class ApiSettings extends Context.Service<
  ApiSettings,
  {
    readonly adminSecret: Redacted.Redacted
    /** Seconds that a worker gets which does not ask for a lease of its own: those of the older protocol renew rarely. */
    readonly claimSeconds: number
    readonly maxSourceBytes: number
    readonly maxPartBytes: number
    readonly version: string
  }
>()("vlog/adapters/worker-api/server/Settings/ApiSettings") {}

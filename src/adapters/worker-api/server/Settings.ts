/** What an operator sets for the Worker API. */
import { Context, type Redacted } from "effect"

export class ApiSettings extends Context.Service<
  ApiSettings,
  {
    readonly adminSecret: Redacted.Redacted
    /** Seconds that a worker gets which does not ask for a lease of its own: those of the older protocol renew rarely. */
    readonly claimSeconds: number
    /** How long a worker without a GPU leaves a job to an idle one that has it, if the job profits. */
    readonly gpuWaitSeconds: number
    readonly maxSourceBytes: number
    readonly maxPartBytes: number
    readonly version: string
  }
>()("vlog/adapters/worker-api/server/Settings/ApiSettings") {}

/** Of an archive, unpacked; its single files are bounded as parts are. */
export const ArchiveBounds = Context.Reference<{ readonly maxFiles: number; readonly maxBytes: number }>(
  "vlog/adapters/worker-api/server/Settings/ArchiveBounds",
  { defaultValue: () => ({ maxFiles: 50_000, maxBytes: 200 * 1024 ** 3 }) }
)

/** What a scraper of metrics has to show, if anything. */
export const MetricsToken = Context.Reference<Redacted.Redacted | null>(
  "vlog/adapters/worker-api/server/Settings/MetricsToken",
  { defaultValue: () => null }
)

/** Measures what has to be looked at, such as memory or a queue, so that the gauges say how it is now. */
import { Context, type Effect } from "effect"

export class Sampler extends Context.Service<Sampler, { readonly sample: Effect.Effect<void> }>()(
  "vlog/adapters/telemetry/Sampler"
) {}

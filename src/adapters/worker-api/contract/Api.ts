/** The Worker API as one contract: served by the API, called by workers and by the command line. */
import { Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { AdminGroup } from "./Admin.ts"
import { answering, refusal, withCommonAnswers } from "./Described.ts"
import { JobGroup } from "./Jobs.ts"
import { KeyGroup } from "./Keys.ts"
import { ReencodeGroup } from "./Reencode.ts"
import { ResumableGroup, ResumableOptionsGroup } from "./Resumable.ts"
import { UploadGroup } from "./Uploads.ts"
import { Unavailable } from "./Errors.ts"
import { Validation } from "./Validation.ts"
import { VideoGroup } from "./Videos.ts"
import { WorkerGroup } from "./Worker.ts"

const Health = Schema.Struct({
  status: Schema.Literals(["healthy", "unhealthy"]),
  checks: Schema.Struct({ database: Schema.Boolean, storage: Schema.Boolean }),
  storage: Schema.Struct({
    healthy: Schema.Boolean,
    last_check: Schema.NullOr(Schema.String),
    error: Schema.NullOr(Schema.String)
  }),
  /** Of this server; others of the protocol do not say it. */
  version: Schema.optionalKey(Schema.String)
})
export type Health = typeof Health.Type

class SystemGroup extends HttpApiGroup.make("system").add(
  HttpApiEndpoint.get("health", "/api/health", {
    success: [Health, Health.pipe(HttpApiSchema.status(503))]
  }).annotateMerge(OpenApi.annotations({ summary: "Ask whether the API could do its work now" })),
  HttpApiEndpoint.get("metrics", "/metrics", {
    success: Schema.String.pipe(HttpApiSchema.asText({ contentType: "text/plain; version=0.0.4; charset=utf-8" })),
    error: Unavailable
  })
    .annotateMerge(OpenApi.annotations({ summary: "Metrics, as Prometheus reads them" }))
    .annotateMerge(answering({ "403": refusal("Authentication required for metrics") }))
) {}

export class Api extends HttpApi.make("vlog")
  .add(WorkerGroup)
  .add(UploadGroup)
  .add(ReencodeGroup)
  .add(AdminGroup)
  .add(VideoGroup)
  .add(ResumableGroup)
  .add(ResumableOptionsGroup)
  .add(JobGroup)
  .add(KeyGroup)
  .add(SystemGroup)
  .middleware(Validation)
  // A client is told everything that is wrong with its request at once, and in terms of what it sent.
  .annotate(HttpApi.ParseOptions, { errors: "all", reportInput: true })
  .annotateMerge(withCommonAnswers)
  .annotateMerge(OpenApi.annotations({ title: "vlog Worker API", version: "1.0.0" })) {}

/** What operators ask of workers. */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { JobId, WorkerId } from "../../../domain/ids.ts"
import { WorkerStatus } from "../../../domain/workers/Worker.ts"
import { AdminAuth } from "./Auth.ts"
import { Capabilities, RegistrationMetadata } from "./Capabilities.ts"
import { integerBetween, Text, optionalNull, withDefault } from "./Fields.ts"
import { BadRequest, Conflict, NotFound, Unavailable } from "./Errors.ts"

export const WorkerAnswer = Schema.Struct({
  /** The protocol numbers workers; here the order of their registration. */
  id: Schema.Int,
  worker_id: WorkerId,
  worker_name: Schema.NullOr(Schema.String),
  worker_type: Schema.Literals(["local", "remote"]),
  status: WorkerStatus,
  registered_at: Schema.DateFromString,
  last_heartbeat: Schema.NullOr(Schema.DateFromString),
  current_job_id: Schema.NullOr(JobId),
  current_video_slug: Schema.NullOr(Schema.String),
  capabilities: Schema.Unknown,
  metadata: Schema.Unknown
})

export class AdminGroup extends HttpApiGroup.make("admin")
  .add(
    HttpApiEndpoint.post("register", "/api/worker/register", {
      payload: Schema.Struct({
        worker_name: optionalNull(Text(100)),
        worker_type: withDefault(Schema.Literals(["local", "remote"]), "remote"),
        capabilities: optionalNull(Capabilities),
        metadata: optionalNull(RegistrationMetadata),
        /** A key that the worker has from a VLog server: it goes on with that one. */
        api_key: optionalNull(Text(200))
      }),
      success: Schema.Struct({ worker_id: WorkerId, api_key: Schema.String, message: Schema.String }),
      error: [BadRequest, Conflict, Unavailable]
    }).annotateMerge(OpenApi.annotations({ summary: "Register a worker; its key is shown this once" })),
    HttpApiEndpoint.post("rotate", "/api/workers/:worker_id/rotate", {
      params: { worker_id: Schema.String },
      query: { overlap: Schema.optionalKey(integerBetween(0, 30 * 24 * 3600)) },
      success: Schema.Struct({
        worker_id: WorkerId,
        api_key: Schema.String,
        /** Until then the worker's other keys are taken as well. */
        others_expire_at: Schema.DateFromString
      }),
      error: [NotFound, Unavailable]
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Mint a new key for a worker; the newest of its others goes on for `overlap` seconds"
      })
    ),
    HttpApiEndpoint.get("workers", "/api/workers", {
      success: Schema.Struct({
        workers: Schema.Array(WorkerAnswer),
        total_count: Schema.Int,
        active_count: Schema.Int,
        offline_count: Schema.Int
      }),
      error: Unavailable
    }).annotateMerge(OpenApi.annotations({ summary: "List workers" })),
    HttpApiEndpoint.post("revoke", "/api/workers/:worker_id/revoke", {
      params: { worker_id: Schema.String },
      success: Schema.Struct({ status: Schema.Literal("ok"), message: Schema.String }),
      error: [NotFound, Unavailable]
    }).annotateMerge(
      OpenApi.annotations({ summary: "End a worker's keys and give its tasks to others, at once and for good" })
    )
  )
  .middleware(AdminAuth) {}

/** The older protocol's second queue. Making a video again is an ordinary job here, so that it is always empty. */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { WorkerAuth } from "./Auth.ts"
import { answering } from "./Described.ts"
import { Forbidden, NotFound, Unavailable } from "./Errors.ts"
import { IntegerText } from "./Fields.ts"

const params = { job_id: IntegerText }
const error = [Forbidden, NotFound, Unavailable] as const

export class ReencodeGroup extends HttpApiGroup.make("reencode")
  .add(
    HttpApiEndpoint.post("claimReencode", "/api/reencode/claim", {
      success: Schema.Struct({ job: Schema.Null, message: Schema.String })
    }).annotateMerge(
      OpenApi.annotations({ summary: "Ask for what to make again: there is never any, that is an ordinary job here" })
    ),
    HttpApiEndpoint.get("download", "/api/reencode/:job_id/download", { params, error })
      .annotateMerge(OpenApi.annotations({ summary: "Answered as for somebody else's job" }))
      .annotateMerge(answering({ "204": null })),
    HttpApiEndpoint.post("uploadReencode", "/api/reencode/:job_id/upload", { params, error })
      .annotateMerge(OpenApi.annotations({ summary: "Answered as for somebody else's job" }))
      .annotateMerge(answering({ "204": null })),
    HttpApiEndpoint.patch("update", "/api/reencode/:job_id", { params, error })
      .annotateMerge(OpenApi.annotations({ summary: "Answered as for a job that is not there" }))
      .annotateMerge(answering({ "204": null }))
  )
  .middleware(WorkerAuth) {}

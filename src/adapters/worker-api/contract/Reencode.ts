/** The older protocol's second queue. Making a video again is an ordinary job here, so that it is always empty. */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import { WorkerAuth } from "./Auth.ts"
import { Forbidden, NotFound, Unavailable } from "./Errors.ts"
import { IntegerText } from "./Fields.ts"

const params = { job_id: IntegerText }
const error = [Forbidden, NotFound, Unavailable] as const

export class ReencodeGroup extends HttpApiGroup.make("reencode")
  .add(
    HttpApiEndpoint.post("claimReencode", "/api/reencode/claim", {
      success: Schema.Struct({ job: Schema.Null, message: Schema.String })
    }),
    HttpApiEndpoint.get("download", "/api/reencode/:job_id/download", { params, error }),
    HttpApiEndpoint.post("uploadReencode", "/api/reencode/:job_id/upload", { params, error }),
    HttpApiEndpoint.patch("update", "/api/reencode/:job_id", { params, error })
  )
  .middleware(WorkerAuth) {}

/** The second queue of the older protocol, in which nothing ever is. */
import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { Api } from "../contract/Api.ts"
import { Forbidden, NotFound } from "../contract/Errors.ts"

const notYours = Effect.fail(new Forbidden({ detail: "Not your job or job not found" }))

export const reencodeRoutes = HttpApiBuilder.group(Api, "reencode", (handlers) =>
  handlers
    .handle("claimReencode", () => Effect.succeed({ job: null, message: "No re-encode jobs available" }))
    .handle("download", () => notYours)
    .handle("uploadReencode", () => notYours)
    .handle("update", () => Effect.fail(new NotFound({ detail: "Job not found" })))
)

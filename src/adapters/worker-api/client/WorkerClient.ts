/** The calls of a worker. One with the whole contract would hold a megabyte more of it, for as long as it runs. */
import { Effect, type Redacted } from "effect"
import { HttpApi, HttpApiClient } from "effect/http-api"
import { UploadGroup } from "../contract/Uploads.ts"
import { Validation } from "../contract/Validation.ts"
import { WorkerGroup } from "../contract/Worker.ts"
import { clientAt, signed } from "./Connection.ts"

class WorkerCalls extends HttpApi.make("vlog").add(WorkerGroup).add(UploadGroup).middleware(Validation) {}

export const makeWorkerClient = (address: string, workerKey: Redacted.Redacted) =>
  HttpApiClient.make(WorkerCalls, { transformClient: clientAt(address) }).pipe(Effect.provide(signed({ workerKey })))

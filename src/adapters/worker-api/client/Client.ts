/** The Worker API's contract as calls. */
import { Effect } from "effect"
import { HttpApiClient } from "effect/http-api"
import { Api } from "../contract/Api.ts"
import { clientAt, type Credentials, signed } from "./Connection.ts"

export const makeClient = (address: string, credentials: Credentials) =>
  HttpApiClient.make(Api, { transformClient: clientAt(address) }).pipe(Effect.provide(signed(credentials)))

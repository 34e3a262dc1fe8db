/** The Worker API: there, well, of this version, and with a secret that it takes. */
import { Clock, Effect, Option } from "effect"
import { makeClient } from "../../adapters/worker-api/client/Client.ts"
import { loggedIn } from "../../adapters/worker-api/client/Connection.ts"
import { version } from "../version.ts"
import { inTime, type Place } from "../vlog/Farm.ts"
import { toProblem, type WireError } from "../vlog/problems.ts"
import { clockFinding } from "./clock.ts"
import { type Finding, ok, problem, skipped, warning } from "./Finding.ts"

const check = "Worker API"

type Client = Effect.Success<ReturnType<typeof makeClient>>

const healthFindings = Effect.fnUntraced(function* (client: Client, { address }: Place) {
  const asked = yield* Clock.currentTimeMillis
  const [health, response] = yield* client.system.health({ responseMode: "decoded-and-response" })
  const answered = yield* Clock.currentTimeMillis
  const sick = Object.entries(health.checks).flatMap(([part, well]) => (well ? [] : [part]))
  const of = health.version === undefined ? "" : `, version ${health.version}`
  const date = Date.parse(response.headers["date"] ?? "")
  return [
    sick.length > 0
      ? problem(check, `${address} has trouble with its ${sick.join(" and its ")}`, "run vlog doctor where it runs")
      : health.version !== undefined && health.version !== version
        ? warning(check, `${address} is well${of}, and this is ${version}`, "use the same version on both sides")
        : ok(check, `${address} is well${of}`),
    ...(Number.isNaN(date)
      ? []
      : // It names the second in which it was.
        [clockFinding("Worker API clock", "its", { asked: asked - 1000, theirs: date, answered })])
  ]
})

const workerFindings = Effect.fnUntraced(function* (client: Client, { secret, secretFrom }: Place) {
  if (secret === null) return [skipped("admin secret", `${secretFrom} is not set`)]
  const { active_count, total_count } = yield* client.admin.workers()
  return [
    ok("admin secret", `${secretFrom} is taken`),
    active_count > 0
      ? ok("workers", `${active_count} of ${total_count} were heard of lately`)
      : warning("workers", `none of ${total_count} was heard of lately`, "start one: nothing is transcoded")
  ]
})

export const checkApi = (place: Option.Option<Place>) =>
  Option.match(place, {
    onNone: () => Effect.succeed([skipped(check, "neither --api nor VLOG_API_URL is there")]),
    onSome: (place) =>
      Effect.gen(function* () {
        const client = yield* makeClient(place.address, place.secret === null ? {} : { adminSecret: place.secret })
        const orProblem = <R>(findings: Effect.Effect<ReadonlyArray<Finding>, WireError, R>) =>
          findings.pipe(
            Effect.mapError(toProblem(place)),
            inTime(place),
            Effect.catch(({ message }) => Effect.succeed<ReadonlyArray<Finding>>([problem(check, message)]))
          )
        const health = yield* orProblem(healthFindings(client, place))
        const [first] = health
        // One that cannot be reached is told of once.
        if (first?.state === "problem") return health
        return [...health, ...(yield* orProblem(workerFindings(client, place)))]
      }).pipe(Effect.provide(loggedIn(place.login)))
  })

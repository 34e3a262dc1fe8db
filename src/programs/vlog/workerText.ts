/** What people are shown of workers. */
import { Option, Schema } from "effect"
import type { WorkerAnswer } from "../../adapters/worker-api/contract/Admin.ts"
import { facts } from "../output/facts.ts"
import { agoText } from "../output/quantities.ts"
import { table } from "../output/table.ts"

type Worker = typeof WorkerAnswer.Type

const Capabilities = Schema.Struct({
  encoders: Schema.optionalKey(Schema.Record(Schema.String, Schema.Array(Schema.String))),
  ffmpeg_version: Schema.optionalKey(Schema.NullOr(Schema.String))
})

/** What workers say of themselves is theirs: whatever does not look like this is left out. */
const Metadata = Schema.Struct({
  capabilities: Schema.optionalKey(Capabilities),
  refused_encoders: Schema.optionalKey(Schema.Array(Schema.String))
})

const registered = Schema.decodeUnknownOption(Capabilities)
const lastHeard = Schema.decodeUnknownOption(Metadata)

/** A heartbeat knows better than the registration. */
const toldBy = (worker: Worker) => {
  const { capabilities, refused_encoders = [] } = Option.getOrElse(
    lastHeard(worker.metadata),
    (): typeof Metadata.Type => ({})
  )
  const { encoders = {}, ffmpeg_version = null } =
    capabilities ?? Option.getOrElse(registered(worker.capabilities), (): typeof Capabilities.Type => ({}))
  return { encoders, ffmpeg: ffmpeg_version, refused: refused_encoders }
}

const heard = (worker: Worker, now: number) =>
  worker.last_heartbeat === null ? "never" : agoText(now - worker.last_heartbeat.getTime())

export const workerTable = (workers: ReadonlyArray<Worker>, now: number): string =>
  workers.length === 0
    ? "There is no worker. Make one with: vlog worker register NAME"
    : table([
        ["NAME", "ID", "STATUS", "HEARD OF", "CODECS", "WORKS ON"],
        ...workers.map((worker) => [
          worker.worker_name ?? "-",
          worker.worker_id,
          worker.status,
          heard(worker, now),
          Object.keys(toldBy(worker).encoders).join(",") || "-",
          worker.current_video_slug ?? "-"
        ])
      ])

export const workerFacts = (worker: Worker, now: number): string => {
  const { encoders, ffmpeg, refused } = toldBy(worker)
  const known = facts([
    ["name", worker.worker_name],
    ["id", worker.worker_id],
    ["type", worker.worker_type],
    ["status", worker.status],
    ["registered", worker.registered_at.toISOString()],
    ["heard of", heard(worker, now)],
    ["works on", worker.current_video_slug],
    ["ffmpeg", ffmpeg],
    ...Object.entries(encoders).map(([codec, names]) => [codec, names.join(", ")] as const)
  ])
  return refused.length === 0
    ? known
    : `${known}\n\nEncoders that do not work there:\n${table(refused.map((text) => [`  ${text}`]))}`
}

/** The programs that ours start, and the Node.js that ours run on. */
import { Effect, Option } from "effect"
import pkg from "../../../package.json" with { type: "json" }
import { detect } from "../../adapters/ffmpeg/Detection.ts"
import * as Sandbox from "../../adapters/ffmpeg/Sandbox.ts"
import { Subprocess } from "../../adapters/process/Subprocess.ts"
import { majorOf } from "../../domain/backups/ClientVersion.ts"
import type { VideoCodec } from "../../domain/media/Codec.ts"
import type { EncoderPolicy } from "../../domain/media/EncoderSelection.ts"
import { encoderFinding, installFfmpeg } from "./encoders.ts"
import { type Finding, ok, problem, skipped, warning } from "./Finding.ts"

const wantedNode = pkg.devDependencies.node

export const checkNode = (version: string): Finding =>
  majorOf(version) === majorOf(wantedNode)
    ? ok("Node.js", version)
    : warning("Node.js", version, `use ${wantedNode}: it is the one that vlog is made and tested with`)

const sandboxFinding = ({ reason, sandbox }: Sandbox.SandboxReport, mode: Sandbox.SandboxOptions["mode"]): Finding => {
  const check = "sandbox"
  if (mode === "off")
    return warning(check, "ffmpeg runs without one", "unset VLOG_FFMPEG_SANDBOX unless all videos are your own")
  if (sandbox === "bubblewrap") return ok(check, sandbox)
  const better = "install bubblewrap, and let it make user namespaces"
  if (sandbox === "landlock") return warning(check, `${sandbox}, which leaves ffmpeg the network; ${reason}`, better)
  const found = `none works here: ${reason}`
  return mode === "require" ? problem(check, found, better) : warning(check, found, better)
}

/** Every encoder makes a few frames on every device, as when a worker starts. */
export const checkFfmpeg = Effect.fnUntraced(function* (options: {
  readonly needed: boolean
  readonly codec: VideoCodec
  readonly policy: EncoderPolicy
  readonly sandbox: Sandbox.SandboxOptions["mode"]
}) {
  const subprocess = yield* Subprocess
  const ffprobe = yield* Effect.result(subprocess.run("ffprobe", ["-version"]))
  const found = yield* Effect.result(detect("/"))
  if (found._tag === "Failure" || ffprobe._tag === "Failure") {
    const missing = [found, ffprobe].flatMap((one) => (one._tag === "Failure" ? [one.failure.message] : [])).join("; ")
    return options.needed
      ? [problem("ffmpeg", missing, installFfmpeg)]
      : [skipped("ffmpeg", "it is not on the PATH, and no worker is configured here (VLOG_WORKER_API_KEY)")]
  }
  // Where one is required, it is for us to say that there is none.
  const { report } = yield* Sandbox.open({ mode: options.sandbox === "off" ? "off" : "auto" })
  return [
    ok("ffmpeg", found.success.ffmpegVersion),
    encoderFinding(found.success, options),
    sandboxFinding(report, options.sandbox)
  ]
})

export const checkPgDump = Effect.fnUntraced(function* (options: {
  readonly needed: boolean
  readonly serverMajor: Option.Option<number>
}) {
  const check = "pg_dump"
  const subprocess = yield* Subprocess
  const result = yield* Effect.result(subprocess.run("pg_dump", ["--version"]))
  if (result._tag === "Failure") {
    return options.needed
      ? problem(check, result.failure.message, "install the PostgreSQL client tools (Debian: postgresql-client)")
      : skipped(check, "it is not on the PATH, and no backups are configured here (BACKUP_PATH)")
  }
  const version = result.success.stdout.trim()
  const client = majorOf(version)
  const server = Option.getOrUndefined(options.serverMajor)
  return client !== undefined && server !== undefined && client < server
    ? problem(check, `${version} cannot dump a server of version ${server}`, `install the client tools of ${server}`)
    : ok(check, version)
})

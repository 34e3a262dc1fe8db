/** `vlog doctor`: looks at everything that is configured here, and says what to do. */
import { Effect, Option, Schema } from "effect"
import { Command } from "effect/cli"
import { styleText } from "node:util"
import { Subprocess } from "../../adapters/process/Subprocess.ts"
import { policies } from "../../domain/media/EncoderSelection.ts"
import { checkApi } from "../doctor/api.ts"
import { checkDatabase } from "../doctor/database.ts"
import { Finding, skipped } from "../doctor/Finding.ts"
import { checkFolder, checkStorage } from "../doctor/folder.ts"
import { checkFfmpeg, checkNode, checkPgDump } from "../doctor/programs.ts"
import { withExitCodes } from "../exit/exitCodes.ts"
import { print } from "../output/Json.ts"
import { doctorSettings } from "../settings/doctor.ts"
import { ApiAddress, place, SecretFile } from "./Farm.ts"

class Unwell extends Schema.TaggedError<Unwell>()("Unwell", { problems: Schema.Int }) {
  override get message() {
    return this.problems === 1 ? "there is a problem, see above" : `there are ${this.problems} problems, see above`
  }
}

const Report = Schema.Struct({ ok: Schema.Boolean, findings: Schema.Array(Finding) })
const encodeReport = Schema.encodeSync(Report)

/** Where the variable is set. */
const folder = <E, R>(
  check: string,
  variable: string,
  path: Option.Option<string>,
  look: (path: string) => Effect.Effect<ReadonlyArray<Finding>, E, R>
) => Option.match(path, { onNone: () => Effect.succeed([skipped(check, `${variable} is not set`)]), onSome: look })

const examine = Effect.gen(function* () {
  const settings = yield* doctorSettings
  const farm = yield* place
  const database = yield* checkDatabase(settings.databaseUrl)
  return [
    checkNode(process.versions.node),
    ...database.findings,
    ...(yield* folder("storage", "VLOG_STORAGE_PATH", settings.storage, checkStorage)),
    ...(yield* checkApi(farm)),
    ...(yield* folder("work folder", "VLOG_WORKER_WORK_DIR", settings.workDir, (path) =>
      checkFolder("work folder", path, "VLOG_WORKER_WORK_DIR")
    )),
    ...(yield* checkFfmpeg({
      needed: Option.isSome(settings.workerKey),
      codec: settings.codec,
      policy: policies[settings.hwaccel],
      sandbox: settings.sandbox
    })),
    ...(yield* folder("backups", "BACKUP_PATH", settings.backups, (path) =>
      checkFolder("backups", path, "BACKUP_PATH")
    )),
    yield* checkPgDump({ needed: Option.isSome(settings.backups), serverMajor: database.serverMajor })
  ]
})

const marks = {
  ok: ["green", "ok"],
  warning: ["yellow", "warning"],
  problem: ["red", "problem"],
  skipped: ["gray", "skipped"]
} as const

const lines = ({ advice, check, details, found, state }: Finding): ReadonlyArray<string> => {
  const [colour, word] = marks[state]
  return [
    `${styleText(colour, word.padEnd(8))} ${check}: ${found}`,
    ...(advice === null ? [] : [`${" ".repeat(9)}-> ${advice}`]),
    ...details.map((detail) => `${" ".repeat(9)}${detail}`)
  ]
}

export const doctor = Command.make(
  "doctor",
  {},
  Effect.fnUntraced(
    function* () {
      const findings = yield* examine
      const problems = findings.filter(({ state }) => state === "problem").length
      yield* print(encodeReport({ ok: problems === 0, findings }), () => findings.flatMap(lines).join("\n"))
      if (problems > 0) return yield* new Unwell({ problems })
    },
    Effect.provide(Subprocess.layer),
    withExitCodes
  )
).pipe(
  Command.withDescription(
    "Look at what is configured on this machine: database, storage, Worker API, ffmpeg, every encoder and the sandbox, backups, " +
      "clocks and versions. Says of each whether it is well, and what to do where it is not. Exit code 1 if there is a problem"
  ),
  Command.withShortDescription("Look at everything that is configured here, and say what to do"),
  Command.withExamples([
    { command: "vlog doctor", description: "Where the API, a worker or the backups run, with their environment" },
    { command: "vlog doctor --json", description: "For a program" }
  ]),
  Command.withGlobalFlags([ApiAddress, SecretFile])
)

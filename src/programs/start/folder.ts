/** What `npm start` keeps between its runs: a folder with the database, the media, logs and secrets. */
import { Effect, Option, Redacted, Schema } from "effect"
import { randomBytes } from "node:crypto"
import { access, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { sampleVideoArguments } from "../../adapters/ffmpeg/SampleVideo.ts"
import { messageOf } from "../../adapters/process/causes.ts"
import { Subprocess } from "../../adapters/process/Subprocess.ts"
import { startError } from "./StartError.ts"

/** Fails before anything is started when nothing could be kept. */
export const prepareFolder = Effect.fnUntraced(function* (folder: string) {
  yield* Effect.tryPromise({
    try: async () => {
      await mkdir(join(folder, "logs"), { recursive: true })
      // What a worker that was killed had in hand; the one of this folder is not running yet.
      await rm(join(folder, "work"), { recursive: true, force: true })
      const probe = join(folder, `.probe-${process.pid}`)
      await writeFile(probe, "")
      await rm(probe)
    },
    catch: (cause) =>
      startError(
        `The data folder ${folder} cannot be written (${messageOf(cause)}): mend its rights, or choose another with --data`
      )
  })
})

const Secrets = Schema.fromJsonString(
  Schema.Struct({
    adminSecret: Schema.String,
    /** Where the Worker API was at the last start. */
    address: Schema.optionalKey(Schema.String),
    worker: Schema.optionalKey(Schema.Struct({ id: Schema.String, key: Schema.String }))
  })
)
export type Secrets = typeof Secrets.Type

const secretsPath = (folder: string) => join(folder, "secrets.json")

export const saveSecrets = Effect.fnUntraced(function* (folder: string, secrets: Secrets) {
  const text = yield* Effect.orDie(Schema.encodeEffect(Secrets)(secrets))
  const partial = `${secretsPath(folder)}.partial`
  yield* Effect.tryPromise({
    try: async () => {
      await writeFile(partial, text, { mode: 0o600, flush: true })
      await rename(partial, secretsPath(folder))
    },
    catch: (cause) => startError(`${secretsPath(folder)} cannot be written: ${messageOf(cause)}`)
  })
})

/** Those of an earlier start. */
export const findSecrets = Effect.fnUntraced(function* (folder: string) {
  const text = yield* Effect.option(Effect.tryPromise(() => readFile(secretsPath(folder), "utf8")))
  if (Option.isNone(text)) return Option.none()
  const secrets = yield* Effect.mapError(Schema.decodeEffect(Secrets)(text.value), () =>
    startError(`${secretsPath(folder)} is damaged: delete it, and new secrets are made`)
  )
  return Option.some(secrets)
})

/** Made at the first start, and read at every other. */
export const loadSecrets = Effect.fnUntraced(function* (folder: string) {
  const found = yield* findSecrets(folder)
  if (Option.isSome(found)) return found.value
  const secrets: Secrets = { adminSecret: randomBytes(24).toString("base64url") }
  yield* saveSecrets(folder, secrets)
  return secrets
})

export const adminSecretOf = (secrets: Secrets) => Redacted.make(secrets.adminSecret)

/** The project's own film, made once. */
export const sampleVideo = Effect.fnUntraced(function* (folder: string, say: (line: string) => Effect.Effect<void>) {
  const path = join(folder, "sample.mp4")
  if (yield* Effect.isSuccess(Effect.tryPromise(() => access(path)))) return path
  const subprocess = yield* Subprocess
  const partial = join(folder, "sample.partial.mp4")
  yield* say("Making a sample video (24 s, 1080p, with sound), once: about half a minute ...")
  yield* subprocess.run("ffmpeg", sampleVideoArguments({ output: partial })).pipe(
    Effect.mapError((error) => startError(`The sample video could not be made: ${error.message}`)),
    Effect.andThen(Effect.promise(() => rename(partial, path))),
    Effect.ensuring(Effect.promise(() => rm(partial, { force: true })))
  )
  return path
})

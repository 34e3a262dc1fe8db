/** BackupCipher by age: what `age --decrypt` reads as well, on the day when nothing of ours runs. */
import { readFile } from "node:fs/promises"
import { Context, Effect, Layer, Redacted, Schema, Stream } from "effect"
import { BackupCipher, KeyMissing, type Seal } from "../../domain/ports/BackupCipher.ts"
import { ArchiveRefused } from "../../domain/ports/BackupTool.ts"
import { messageOf } from "../process/causes.ts"

/** Only those who encrypt wait for it to be read. */
const library = Effect.promise(() => import("age-encryption"))
type Age = Effect.Success<typeof library>

class AgeKeyInvalid extends Schema.TaggedError<AgeKeyInvalid>()("AgeKeyInvalid", {
  setting: Schema.String,
  problem: Schema.String
}) {
  override get message() {
    return `${this.setting}: ${this.problem}`
  }
}

type Bytes<E> = Stream.Stream<Uint8Array, E>

/** What the other side of a web stream has failed with, or what it has made the transformation fail with. */
class Failure<E> extends Error {
  readonly source: E | undefined
  constructor(cause: unknown, source: E | undefined) {
    super(messageOf(cause), { cause })
    this.source = source
  }
}

/** Sends bytes through one of age's transformations, which know web streams only. */
const through = <E>(
  archive: Bytes<E>,
  transform: (bytes: ReadableStream<Uint8Array>) => Promise<ReadableStream<Uint8Array>>
): Stream.Stream<Uint8Array, Failure<E>> =>
  Effect.gen(function* () {
    let source: E | undefined
    const failure = (cause: unknown) => new Failure(cause, source)
    const input = Stream.toReadableStreamWith(
      Stream.tapError(archive, (error) => Effect.sync(() => void (source = error))),
      Context.empty(),
      { signal: yield* Effect.abortSignal }
    )
    const output = yield* Effect.tryPromise({ try: () => transform(input), catch: failure })
    return Stream.fromReadableStream({ evaluate: () => output, onError: failure })
  }).pipe(Stream.unwrap)

const encryptFor =
  (age: Age, recipients: ReadonlyArray<string>) =>
  <E>(archive: Bytes<E>): Bytes<E> =>
    through(archive, (bytes) => {
      const encrypter = new age.Encrypter()
      for (const recipient of recipients) encrypter.addRecipient(recipient)
      return encrypter.encrypt(bytes)
    }).pipe(Stream.catch(({ cause, source }) => (source === undefined ? Stream.die(cause) : Stream.fail(source))))

const noMatch = "no identity matched any of the file's recipients"

const decryptWith =
  (age: Age, identities: ReadonlyArray<Redacted.Redacted>) =>
  <E>(archive: Bytes<E>): Bytes<E | ArchiveRefused | KeyMissing> =>
    through(archive, (bytes) => {
      const decrypter = new age.Decrypter()
      for (const identity of identities) decrypter.addIdentity(Redacted.value(identity))
      return decrypter.decrypt(bytes)
    }).pipe(
      Stream.mapError(({ message, source }) => {
        if (source !== undefined) return source
        if (message === noMatch) return new KeyMissing({ problem: "no key in BACKUP_AGE_IDENTITY_FILE fits" })
        return new ArchiveRefused({ problem: `it cannot be decrypted: ${message}` })
      })
    )

/** Tried once at the start: a mistake in them must not show in the middle of the night. */
const checkRecipients = (age: Age, recipients: ReadonlyArray<string>) =>
  Effect.forEach(
    recipients,
    (recipient, index) =>
      Effect.try({
        try: () => new age.Encrypter().addRecipient(recipient),
        catch: () =>
          new AgeKeyInvalid({
            setting: "BACKUP_AGE_RECIPIENTS",
            problem: recipient.toUpperCase().startsWith("AGE-SECRET-KEY-")
              ? `number ${index + 1} is a secret key: put the public one there, as age-keygen -y shows it, and make a new pair`
              : `${recipient} is no public key of age: give what age-keygen prints, as in age1..., several with commas between`
          })
      }),
    { discard: true }
  )

const readIdentities = Effect.fnUntraced(function* (age: Age, file: string) {
  const invalid = (problem: string) => new AgeKeyInvalid({ setting: "BACKUP_AGE_IDENTITY_FILE", problem })
  const text = yield* Effect.tryPromise({
    try: () => readFile(file, "utf8"),
    catch: (cause) => invalid(`${file} cannot be read: ${messageOf(cause)}`)
  })
  const lines = text.split("\n").map((line) => line.trim())
  const keys = lines.filter((line) => line !== "" && !line.startsWith("#"))
  yield* Effect.try({
    try: () => {
      const decrypter = new age.Decrypter()
      for (const key of keys) decrypter.addIdentity(key)
    },
    catch: () =>
      invalid(
        `${file} holds a line that is no secret key of age: each must begin with AGE-SECRET-KEY-, or with # (a file that is protected by a passphrase has to be decrypted first)`
      )
  })
  if (keys.length === 0) return yield* invalid(`${file} holds no key: give the file that age-keygen wrote`)
  return keys.map((key) => Redacted.make(key))
})

/** One key more for each backup, that never leaves the memory: with it, what lies on the disk can be verified. */
const makeSeal = Effect.fnUntraced(function* (age: Age, recipients: ReadonlyArray<string>) {
  const quantumSafe = recipients.every((recipient) => recipient.startsWith("age1pq1"))
  const identity = yield* Effect.promise(quantumSafe ? age.generateHybridIdentity : age.generateX25519Identity)
  const own = yield* Effect.promise(() => age.identityToRecipient(identity))
  return {
    encrypt: encryptFor(age, [...recipients, own]),
    decrypt: decryptWith(age, [Redacted.make(identity)])
  } satisfies Seal
})

export interface AgeOptions {
  readonly recipients: ReadonlyArray<string>
  /** Nothing when there is none. */
  readonly identityFile: string
}

const make = Effect.fnUntraced(function* ({ identityFile, recipients }: AgeOptions) {
  if (recipients.length > 0) yield* checkRecipients(yield* library, recipients)
  const identities = identityFile === "" ? [] : yield* readIdentities(yield* library, identityFile)
  return BackupCipher.of({
    recipients,
    seal: Effect.flatMap(library, (age) => makeSeal(age, recipients)),
    mayDecrypt: identities.length > 0,
    decrypt: (archive) => Stream.unwrap(Effect.map(library, (age) => decryptWith(age, identities)(archive)))
  })
})

export const layer = (options: AgeOptions) => Layer.effect(BackupCipher, make(options))

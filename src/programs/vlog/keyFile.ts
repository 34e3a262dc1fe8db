/** Keys on their way: one that was minted to whoever asked for it, and one that somebody has to the farm. */
import { Effect, Option } from "effect"
import { Flag } from "effect/cli"
import { readFile, rm, stat, writeFile } from "node:fs/promises"
import { print } from "../output/Json.ts"
import { Refused } from "./problems.ts"

export const keyFile = Flag.String("key-file").pipe(
  Flag.withDescription("Write the key into this new file, readable by you alone, and do not print it"),
  Flag.optional
)

/** A file without a key would be in the way of the next try. */
const removeEmpty = async (file: string) => {
  if ((await stat(file)).size === 0) await rm(file)
}

/** A key that cannot be kept would be lost: whoever asks is told so before it is made. */
export const reserve = Effect.fnUntraced(function* (file: Option.Option<string>) {
  if (Option.isNone(file)) return
  yield* Effect.acquireRelease(
    Effect.tryPromise({
      try: () => writeFile(file.value, "", { mode: 0o600, flag: "wx" }),
      catch: (cause) => new Refused({ problem: `--key-file ${file.value} cannot be made: ${String(cause)}` })
    }),
    () => Effect.ignore(Effect.tryPromise(() => removeEmpty(file.value)))
  )
})

/** A key that somebody has already. */
export const readKey = Effect.fnUntraced(function* (file: string) {
  const text = yield* Effect.tryPromise({
    try: () => readFile(file, "utf8"),
    catch: (cause) => new Refused({ problem: `--bring-key ${file} cannot be read: ${String(cause)}` })
  })
  if (text.trim() === "") return yield* new Refused({ problem: `--bring-key ${file} is empty` })
  return text.trim()
})

/** Shows the answer, whose key is in `field`, this once: the farm keeps only its digest. */
export const handOver = Effect.fnUntraced(function* <
  Field extends string,
  Answer extends Readonly<Record<Field, string>>
>(field: Field, answer: Answer, file: Option.Option<string>, text: string) {
  if (Option.isNone(file)) {
    return yield* print(answer, () => `${text}\nIts key, which is not shown again: ${answer[field]}`)
  }
  yield* Effect.tryPromise({
    try: () => writeFile(file.value, `${answer[field]}\n`),
    catch: (cause) =>
      new Refused({ problem: `${file.value} cannot be written (${String(cause)}): the new key is lost, make another` })
  })
  const { [field]: _, ...rest } = answer
  yield* print({ ...rest, key_file: file.value }, () => `${text}\nIts key is in ${file.value}.`)
})

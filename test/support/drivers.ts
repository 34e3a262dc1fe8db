/**
 * Machines with GPUs, made of files: an `ffmpeg` and an `nvidia-smi` that answer as real drivers do, and the entries of
 * /dev/dri and /sys that the kernel would have.
 */
import { Effect, Layer } from "effect"
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { findOnPath } from "../../src/adapters/process/programs.ts"
import { Subprocess } from "../../src/adapters/process/Subprocess.ts"

/** Holds where all of `when` occur in the arguments, in this order. */
export interface Answer {
  readonly when: ReadonlyArray<string>
  readonly stderr: string
  readonly exit?: number
  /** Answers so only while this file is there. */
  readonly whileThere?: string
  /** Ends by this signal instead. */
  readonly signal?: string
}

export interface FakeMachine {
  /** Encoders that this build of ffmpeg lists. */
  readonly encoders: ReadonlyArray<string>
  /** What ffmpeg answers to an encode; the first that fits. Where none does the encode succeeds. */
  readonly answers?: ReadonlyArray<Answer>
  /** The real ffmpeg does what no device is needed for. */
  readonly real?: boolean
  readonly nvidiaSmi?: { readonly stdout: string; readonly exit?: number }
  readonly render?: ReadonlyArray<{
    readonly name: string
    readonly vendor: "0x10de" | "0x8086" | "0x1002"
    readonly driver: string
  }>
}

const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`

const encoderList = (names: ReadonlyArray<string>) =>
  ["Encoders:", " V..... = Video", " ------", ...names.map((name) => ` V....D ${name.padEnd(20)} an encoder`)].join(
    "\n"
  )

const ffmpegScript = ({ answers = [], encoders }: FakeMachine, real: string | undefined) => `#!/bin/sh
args=" $* "
case "$args" in
  *" -version "*) echo 'ffmpeg version 7.1.5-0+deb13u1 Copyright (c) 2000-2026 the FFmpeg developers'; exit 0;;
  *" -decoders "*) printf '%s\\n' ' V....D h264                 H.264' ' V....D libdav1d             AV1'; exit 0;;
  *" -encoders "*) printf '%s\\n' ${quoted(encoderList(encoders))}; exit 0;;
esac
printf '%s\\n' "$args" >> "$(dirname "$0")/calls"
${answers
  .map(
    ({
      exit = 1,
      signal,
      stderr,
      when,
      whileThere
    }) => `${whileThere === undefined ? "" : `[ ! -e ${quoted(whileThere)} ] || `}case "$args" in
  *${when.map(quoted).join("*")}*) printf '%s\\n' ${quoted(stderr)} >&2; ${signal === undefined ? `exit ${exit}` : `kill -${signal} $$`};;
esac`
  )
  .join("\n")}
${real === undefined ? "" : `case "$args" in *_nvenc*|*_vaapi*|*_qsv*) ;; *) exec ${real} "$@";; esac`}
exit 0
`

const smiScript = ({ exit = 0, stdout }: NonNullable<FakeMachine["nvidiaSmi"]>) => `#!/bin/sh
printf '%s\\n' ${quoted(stdout)}
exit ${exit}
`

const write = async (path: string, text: string) => {
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, text)
  await chmod(path, 0o755)
}

/** A script that may be started. */
export const program = (path: string, text: string) => Effect.promise(() => write(path, text))

const build = async (machine: FakeMachine) => {
  const root = await mkdtemp(join(tmpdir(), "vlog-machine-"))
  const bin = join(root, "bin")
  await mkdir(bin)
  await mkdir(join(root, "dev/dri"), { recursive: true })
  await write(
    join(bin, "ffmpeg"),
    ffmpegScript(machine, machine.real === true ? await findOnPath("ffmpeg") : undefined)
  )
  if (machine.nvidiaSmi !== undefined) await write(join(bin, "nvidia-smi"), smiScript(machine.nvidiaSmi))
  for (const { driver, name, vendor } of machine.render ?? []) {
    const system = join(root, "sys/class/drm", name, "device")
    await mkdir(system, { recursive: true })
    await writeFile(join(system, "vendor"), `${vendor}\n`)
    await symlink(`../../../bus/pci/drivers/${driver}`, join(system, "driver"))
    await writeFile(join(root, "dev/dri", name), "")
  }
  return { root, bin }
}

/** The files of a machine, removed with the scope. */
export const fakeMachine = (machine: FakeMachine) =>
  Effect.acquireRelease(
    Effect.promise(() => build(machine)),
    ({ root }) => Effect.promise(() => rm(root, { recursive: true, force: true }))
  )

/** Programs are found in `bin` first, and then only where the shell's own are. */
export const programsIn = (bin: string) =>
  Layer.effect(
    Subprocess,
    Effect.gen(function* () {
      const real = yield* Subprocess
      const env = { PATH: `${bin}:/usr/bin:/bin` }
      return Subprocess.of({
        start: (file, args, options) => real.start(file, args, { ...options, env: { ...options?.env, ...env } }),
        run: (file, args, options) => real.run(file, args, { ...options, env: { ...options?.env, ...env } })
      })
    })
  ).pipe(Layer.provide(Subprocess.layer))

import { assert, describe, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import { existsSync } from "node:fs"
import { cp, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { environmentFor, transcodeArguments, trialArguments } from "../../../src/adapters/ffmpeg/Arguments.ts"
import { backends } from "../../../src/adapters/ffmpeg/backends/index.ts"
import { passes } from "../../../src/adapters/ffmpeg/Passes.ts"
import type { Encoder } from "../../../src/domain/media/Encoder.ts"
import * as FrameRate from "../../../src/domain/media/FrameRate.ts"
import type { VideoStream } from "../../../src/domain/media/Source.ts"
import { wholeSource } from "../../../src/domain/media/TranscodePlan.ts"
import { source } from "../../domain/support/sources.ts"

const execute = promisify(execFile)
const root = fileURLToPath(new URL("../../..", import.meta.url))

const devices: Readonly<Record<string, string | null>> = {
  nvenc: "1",
  vaapi: "/dev/dri/renderD129",
  qsv: "/dev/dri/renderD129",
  software: null
}

/** Every encoder in every way in which it can be used. */
const encoders = backends.flatMap((module) =>
  module.encoders.flatMap(({ codec, name }) =>
    module.modes.flatMap((mode) => {
      const encoder: Encoder = {
        name,
        codec,
        backend: module.backend,
        device: devices[module.backend] ?? null,
        ...(mode === undefined ? {} : { mode })
      }
      const depths: ReadonlyArray<Encoder> = codec === "h264" ? [encoder] : [encoder, { ...encoder, depth: 10 }]
      return depths.flatMap((one): ReadonlyArray<Encoder> =>
        module.hardware === undefined ? [one] : [one, { ...one, pipeline: "device" }]
      )
    })
  )
)

const ntsc = FrameRate.make(30000, 1001)

const planFor = (encoder: Encoder, video: Partial<VideoStream> = {}) =>
  wholeSource(
    source({ width: 1920, height: 1080, nominalFrameRate: ntsc, duration: 250 * (1001 / 30000), ...video }, [
      { duration: 8 }
    ]),
    { encoder }
  )

const argumentsFor = (encoder: Encoder, video: Partial<VideoStream> = {}) =>
  transcodeArguments(planFor(encoder, video), { source: "/in/cat.mp4", folderOf: (rendition) => `/out/${rendition}` })

/** The options of each output, in the order of the ladder. */
const outputs = (args: ReadonlyArray<string>) =>
  args
    .join("\n")
    .split("\n-map\n")
    .slice(1)
    .map((text) => text.split("\n"))

const valueOf = (args: ReadonlyArray<string>, option: string) => args[args.indexOf(option) + 1]
const graphOf = (args: ReadonlyArray<string>) => valueOf(args, "-filter_complex") ?? ""
const beforeInput = (args: ReadonlyArray<string>) => args.slice(0, args.indexOf("-i"))

const called = (encoder: Encoder) =>
  `${encoder.name}, ${encoder.mode ?? "its only mode"}, ${encoder.depth ?? 8} bit, ${encoder.pipeline ?? "memory"}`
const hardware = encoders.filter(({ device }) => device !== null)
const named = (name: string, pipeline?: "device") =>
  encoders.find((encoder) => encoder.name === name && encoder.pipeline === pipeline && encoder.depth === undefined)!

describe("every encoder", () => {
  for (const encoder of encoders) {
    const args = argumentsFor(encoder)
    const [top, ...others] = outputs(args).filter((output) => output.includes("-c:v"))

    it(`makes the whole ladder from one decode: ${called(encoder)}`, () => {
      assert.strictEqual(args.filter((word) => word === "-i").length, 1)
      assert.strictEqual(1 + others.length, 4)
      for (const output of [top!, ...others]) assert.strictEqual(valueOf(output, "-c:v"), encoder.name)
    })

    it(`puts its keyframes on the plan's grid of frames: ${called(encoder)}`, () => {
      for (const output of [top!, ...others]) {
        const interval = valueOf(output, "-g")
        const forced = output.includes("expr:eq(mod(n,60),0)")
        // SVT-AV1 only knows its interval; the others are forced, and those with a counter of their own agree.
        assert.isTrue(forced || encoder.name === "libsvtav1")
        if (output.includes("-g")) assert.strictEqual(interval, "60")
        else assert.strictEqual(encoder.backend, "software")
      }
    })

    it(`is capped where the ladder says, with two seconds of buffer: ${called(encoder)}`, () => {
      const plan = planFor(encoder)
      const caps = [top!, ...others].map((output) => valueOf(output, "-maxrate"))
      assert.deepStrictEqual(
        caps,
        plan.video.map(({ maxBitrate }) => `${maxBitrate}k`)
      )
      if (encoder.name !== "libsvtav1") {
        assert.strictEqual(valueOf(top!, "-bufsize"), `${plan.video[0]!.maxBitrate * 2}k`)
      }
    })

    it(`makes its depth in a profile that players have, and HEVC that Apple's take: ${called(encoder)}`, () => {
      const deep = encoder.depth === 10
      assert.match(graphOf(args), deep ? /format=(yuv420p10le|p010le)[,;|]/ : /format=(yuv420p|nv12)[,;|]/)
      assert.notMatch(graphOf(args), deep ? /=(yuv420p|nv12)[,;|[]/ : /p010|p10/)
      if (encoder.backend === "software") {
        assert.strictEqual(valueOf(top!, "-pix_fmt"), deep ? "yuv420p10le" : "yuv420p")
      }
      if (encoder.codec === "hevc") {
        assert.strictEqual(valueOf(top!, "-tag:v"), "hvc1")
        assert.strictEqual(valueOf(top!, "-profile:v"), deep ? "main10" : "main")
      }
      if (encoder.codec === "h264") assert.strictEqual(valueOf(top!, "-profile:v"), "high")
    })

    it(`is tried with the options that jobs use: ${called(encoder)}`, () => {
      const trial = outputs(trialArguments(encoder))[0]!
      const own = (output: ReadonlyArray<string>) =>
        output
          .slice(output.indexOf("-c:v"))
          .slice(
            0,
            output.slice(output.indexOf("-c:v")).findIndex((word) => /^-(avoid_negative_ts|f)$/.test(word))
          )
          .filter((word) => !/^\d+k$/.test(word) && !/keyint/.test(word))
      assert.deepStrictEqual(own(trial), own(top!))
    })
  }
})

describe("SVT-AV1", () => {
  const presetOf = (release?: number) => {
    const encoder = named("libsvtav1")
    return valueOf(argumentsFor(release === undefined ? encoder : { ...encoder, release }), "-preset")
  }

  it("takes the preset whose cost is that of x264's, which differs by release", () => {
    assert.deepStrictEqual([undefined, 1, 2, 3, 4].map(presetOf), ["10", "10", "8", "8", "8"])
  })
})

describe("hardware", () => {
  for (const encoder of hardware) {
    it(`opens the very device: ${called(encoder)}`, () => {
      const opened = beforeInput(argumentsFor(encoder)).filter((word) => word.includes("="))
      assert.isTrue(
        opened.some((word) => word.endsWith(`:${encoder.device}`)),
        opened.join(" ")
      )
    })
  }

  const chains = {
    h264_nvenc: ["cuda", "scale_cuda"],
    h264_vaapi: ["vaapi", "scale_vaapi"],
    h264_qsv: ["qsv", "vpp_qsv"]
  } as const

  for (const [name, [surface, scaler]] of Object.entries(chains)) {
    it(`decodes and scales where it encodes, without a trip through memory: ${name}`, () => {
      const args = argumentsFor(named(name, "device"))
      const graph = graphOf(args)
      assert.strictEqual(valueOf(beforeInput(args), "-hwaccel_output_format"), surface)
      assert.strictEqual(graph.match(new RegExp(`${scaler}=`, "g"))?.length, 4)
      assert.notMatch(graph, /(^|[,\]])scale=|hwdownload/)
    })

    it(`takes what it cannot decode from the processor: ${name}`, () => {
      assert.include(graphOf(argumentsFor(named(name, "device"))), `format=nv12|${surface},hwupload`)
    })

    it(`lets the processor decode and filter what needs more than scaling, and still scales: ${name}`, () => {
      for (const video of [
        { fieldOrder: "interlaced" },
        { dynamicRange: "pq", pixelFormat: "yuv420p10le" },
        { rotation: 90, oriented: true },
        { fullRange: true, pixelFormat: "yuvj420p" },
        { pixelFormat: "yuv444p" }
      ] as const) {
        const args = argumentsFor(named(name, "device"), video)
        assert.notInclude(args, "-hwaccel")
        assert.strictEqual(graphOf(args).match(/hwupload/g)?.length, 1)
        assert.strictEqual(graphOf(args).match(new RegExp(`${scaler}=`, "g"))?.length, 3)
      }
    })

    it(`leaves decoding and scaling to the processor otherwise: ${name}`, () => {
      const args = argumentsFor(named(name))
      assert.notInclude(args, "-hwaccel")
      assert.notInclude(graphOf(args), scaler)
      assert.strictEqual(graphOf(args).match(/,hwupload|\]hwupload/g)?.length ?? 0, surface === "vaapi" ? 4 : 0)
    })
  }

  it("gives pictures of 10 bit to a device only to have them made 8", () => {
    const args = argumentsFor(named("h264_nvenc", "device"), { pixelFormat: "yuv420p10le", bitDepth: 10 })
    assert.include(args, "-hwaccel")
    assert.match(graphOf(args), /scale_cuda=1920:1080:[^,]*format=nv12/)
  })

  it("makes forced keyframes instantaneous", () => {
    const first = (name: string) => outputs(argumentsFor(named(name)))[0]!
    assert.strictEqual(valueOf(first("hevc_nvenc"), "-forced-idr"), "1")
    assert.strictEqual(valueOf(first("hevc_nvenc"), "-no-scenecut"), "1")
    assert.strictEqual(valueOf(first("hevc_qsv"), "-forced_idr"), "1")
    assert.strictEqual(valueOf(first("hevc_vaapi"), "-idr_interval"), "0")
  })

  it("aims at a quality, and at a mean only where the driver knows no better", () => {
    const mode = (name: string, mode: string) =>
      outputs(argumentsFor(encoders.find((encoder) => encoder.name === name && encoder.mode === mode)!))[0]!
    assert.strictEqual(valueOf(mode("h264_vaapi", "quality"), "-rc_mode"), "QVBR")
    assert.strictEqual(valueOf(mode("h264_vaapi", "bitrate"), "-rc_mode"), "VBR")
    assert.notInclude(mode("h264_vaapi", "bitrate"), "-global_quality")
    assert.notInclude(mode("av1_vaapi", "quality"), "-qp")
    assert.strictEqual(valueOf(mode("h264_vaapi", "low-power"), "-low_power"), "1")
    assert.include(mode("h264_qsv", "quality"), "-global_quality")
    assert.notInclude(mode("h264_qsv", "bitrate"), "-global_quality")
  })

  it("means the same GPU by a number as nvidia-smi does", () => {
    assert.deepStrictEqual(environmentFor(named("h264_nvenc")), { CUDA_DEVICE_ORDER: "PCI_BUS_ID" })
    assert.deepStrictEqual(environmentFor(named("libx264")), {})
  })
})

/** Options that ffmpeg has for every encoder. */
const common = new Set(["-c:v", "-g", "-b:v", "-maxrate", "-bufsize", "-global_quality", "-tag:v", "-force_key_frames"])

/** Names of an encoder's own options, each with the words that it takes beside numbers. */
const ownOptions = (help: string) => {
  const options = new Map<string, Array<string>>()
  let words: Array<string> = []
  for (const line of help.split("\n")) {
    const option = /^ {2}-([\w-]+) +</.exec(line)?.[1]
    if (option !== undefined) options.set(`-${option}`, (words = []))
    const word = /^ {5}([\w.]+) /.exec(line)?.[1]
    if (word !== undefined) words.push(word)
  }
  return options
}

describe("the options that a backend uses", async () => {
  const { stdout: list } = await execute("ffmpeg", ["-hide_banner", "-encoders"])

  for (const name of new Set(hardware.map((encoder) => encoder.name))) {
    it.runIf(list.includes(` ${name} `))(`are known to this machine's ffmpeg: ${name}`, async () => {
      const { stdout } = await execute("ffmpeg", ["-hide_banner", "-h", `encoder=${name}`])
      const known = ownOptions(stdout)
      for (const encoder of hardware.filter((encoder) => encoder.name === name)) {
        const words = outputs(argumentsFor(encoder))[0]!
        const used = words.slice(words.indexOf("-c:v"), words.indexOf("-avoid_negative_ts"))
        for (const [index, option] of used.entries()) {
          if (index % 2 === 1 || common.has(option)) continue
          const values = known.get(option.replace(/:v$/, ""))
          const value = used[index + 1]!
          assert.isDefined(values, `${name} has no ${option}`)
          assert.isTrue(/^\d+$/.test(value) || values?.includes(value), `${option} of ${name} does not take ${value}`)
        }
      }
    })
  }
})

describe("the threads of a task", () => {
  const args = (name: string, threads: number | null) =>
    transcodeArguments(
      { ...planFor(named(name)), threads },
      { source: "/in", folderOf: (rendition) => `/${rendition}` }
    )

  it("are left to ffmpeg where nothing limits them", () => {
    for (const name of ["libx264", "libx265", "libsvtav1"]) {
      assert.notMatch(args(name, null).join(" "), /-threads|_threads|pools=|lp=/)
    }
  })

  it("are said to the decoder, to the filters and to each encoder", () => {
    for (const [name, option] of [
      ["libx264", "-threads\n3"],
      ["libx265", "pools=3"],
      ["libsvtav1", "lp=3"]
    ] as const) {
      const all = args(name, 3)
      assert.strictEqual(valueOf(beforeInput(all), "-threads"), "3")
      assert.strictEqual(valueOf(beforeInput(all), "-filter_complex_threads"), "3")
      for (const output of outputs(all).filter((output) => output.includes("-c:v"))) {
        assert.include(output.join("\n"), option)
      }
    }
  })
})

describe("a ladder with more rungs than sessions", () => {
  const plan = planFor(named("h264_nvenc"))

  it("is made in several passes of much the same size, with the sound in the first", () => {
    const parts = passes(plan, 3)
    assert.deepStrictEqual(
      parts.map(({ video }) => video.map(({ height }) => height)),
      [
        [1080, 720],
        [480, 360]
      ]
    )
    assert.deepStrictEqual(
      parts.map(({ audio }) => audio.length),
      [1, 0]
    )
  })

  it("is made at once where the sessions suffice, or have no limit", () => {
    assert.deepStrictEqual(passes(plan, 4), [plan])
    assert.deepStrictEqual(passes(plan, null), [plan])
  })

  it("takes one after the other where there is a single session", () => {
    assert.strictEqual(passes(plan, 1).length, 4)
  })
})

describe("a backend", () => {
  const folder = join(root, "src/adapters/ffmpeg/backends")

  it("is known to nothing but the index", async () => {
    const files = (await readdir(folder)).filter((name) => name !== "Backend.ts" && name !== "index.ts")
    const sources = (await readdir(join(root, "src"), { recursive: true })).filter((name) => name.endsWith(".ts"))
    const texts = await Promise.all(
      sources.map(async (name) => [name, await readFile(join(root, "src", name), "utf8")] as const)
    )
    for (const file of files) {
      const importers = texts.filter(([, text]) => text.includes(`/${file}"`)).map(([name]) => name)
      assert.deepStrictEqual(importers, ["adapters/ffmpeg/backends/index.ts"], file)
    }
  })

  it("is added with one file and one line, and is found, chosen and used", async () => {
    const copy = await mkdtemp(join(tmpdir(), "vlog-backend-"))
    try {
      await cp(join(root, "src"), join(copy, "src"), { recursive: true })
      await cp(join(root, "package.json"), join(copy, "package.json"))
      await symlink(join(root, "node_modules"), join(copy, "node_modules"))
      const own = join(copy, "src/adapters/ffmpeg/backends")
      await writeFile(
        join(own, "toy.ts"),
        `import type { BackendModule } from "./Backend.ts"
export const toy: BackendModule = {
  backend: "toy",
  encoders: [{ name: "libx264", codec: "h264" }],
  modes: [undefined],
  candidates: () => [{ device: null }],
  encodeOptions: () => ["-preset", "ultrafast"]
}
`
      )
      const index = await readFile(join(own, "index.ts"), "utf8")
      await writeFile(
        join(own, "index.ts"),
        index
          .replace("[nvenc,", "[toy, nvenc,")
          .replace("import { nvenc }", 'import { toy } from "./toy.ts"\nimport { nvenc }')
      )
      await writeFile(
        join(copy, "try.ts"),
        `import { Effect } from "effect"
import { detect } from "./src/adapters/ffmpeg/Detection.ts"
import { trialArguments } from "./src/adapters/ffmpeg/Arguments.ts"
import { Subprocess } from "./src/adapters/process/Subprocess.ts"
import { anyBackend, encoderChain } from "./src/domain/media/EncoderSelection.ts"
const found = await Effect.runPromise(Effect.provide(detect("/nowhere"), Subprocess.layer))
const [first] = encoderChain({ codec: "h264", depth: 8 }, found.encoders, anyBackend)
console.log(JSON.stringify({ first, args: trialArguments(first) }))
`
      )
      const { stdout } = await execute(process.execPath, ["try.ts"], { cwd: copy })
      const { args, first } = JSON.parse(stdout) as { first: Encoder; args: ReadonlyArray<string> }
      assert.strictEqual(first.backend, "toy")
      assert.strictEqual(valueOf(args, "-preset"), "ultrafast")
    } finally {
      await rm(copy, { recursive: true, force: true })
    }
    assert.isFalse(existsSync(copy))
  }, 60_000)
})

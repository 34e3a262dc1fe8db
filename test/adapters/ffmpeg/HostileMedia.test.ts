/** Files that an attacker uploads. Each is made here; a canary says whether anything was fetched or read. */
import { execFile } from "node:child_process"
import { access, mkdtemp, readFile, realpath, rm, writeFile } from "node:fs/promises"
import { createServer, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { crc32, deflateSync } from "node:zlib"
import { assert, describe, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { afterAll, beforeAll } from "vitest"
import { posterArguments, transcodeArguments } from "../../../src/adapters/ffmpeg/Arguments.ts"
import * as Probe from "../../../src/adapters/ffmpeg/Probe.ts"
import * as Sandbox from "../../../src/adapters/ffmpeg/Sandbox.ts"
import { Subprocess } from "../../../src/adapters/process/Subprocess.ts"
import { objection, SourceRejected } from "../../../src/domain/media/Source.ts"
import { wholeSource } from "../../../src/domain/media/TranscodePlan.ts"
import { MediaProbe } from "../../../src/domain/ports/MediaProbe.ts"
import { source } from "../../domain/support/sources.ts"
import { bubblewrapWorks } from "../../support/bubblewrap.ts"
import { ffmpegWith } from "../../support/media.ts"

let folder: string
let canary: Server
let address: string
let fetched: Array<string>
const at = (name: string) => join(folder, name)

beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), "vlog-hostile-")))
  canary = createServer((request, response) => {
    fetched.push(request.url ?? "")
    response.end("canary")
  })
  await new Promise<void>((done) => canary.listen(0, "127.0.0.1", done))
  address = `http://127.0.0.1:${(canary.address() as AddressInfo).port}`
  fetched = []
  await ffmpegWith("-f lavfi -i testsrc2=s=64x36:r=25:d=2 -c:v libx264 -preset ultrafast -g 25", at("other.ts"))
})

afterAll(async () => {
  canary.close()
  await rm(folder, { recursive: true, force: true })
})

const playlist = (target: string) =>
  `#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:2.0,\n${target}\n#EXT-X-ENDLIST\n`

const manifest = (target: string) =>
  `<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT2S">` +
  `<Period><AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1"><BaseURL>${target}</BaseURL>` +
  `</Representation></AdaptationSet></Period></MPD>`

const disguised: ReadonlyArray<readonly [string, () => string]> = [
  ["an HLS playlist that names a neighbour's file", () => playlist(at("other.ts"))],
  ["an HLS playlist that names a file by its URL", () => playlist(`file://${at("other.ts")}`)],
  ["an HLS playlist that names the passwords of the machine", () => playlist("file:///etc/passwd")],
  ["an HLS playlist that names an address", () => playlist(`${address}/internal/admin.ts`)],
  ["an HLS playlist whose init segment is elsewhere", () => playlist(`#EXT-X-MAP:URI="${address}/init.mp4"`)],
  ["a script that joins files", () => `ffconcat version 1.0\nfile '${at("other.ts")}'\n`],
  ["a script that joins addresses", () => `ffconcat version 1.0\nfile '${address}/a.ts'\n`],
  ["a DASH manifest that names an address", () => manifest(`${address}/a.mp4`)],
  ["a DASH manifest that names a file", () => manifest(`file://${at("other.ts")}`)],
  ["a session description", () => `v=0\nc=IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\na=rtpmap:96 H264/90000\n`]
]

const encoder = { name: "libx264", codec: "h264", backend: "software", device: null } as const
const plan = wholeSource(source({ width: 64, height: 36, frames: 50, duration: 2 }, []), { encoder })

/** ffmpeg as the transcoder calls it, on a file that no probe has seen. */
const decode = Effect.fnUntraced(function* (path: string, name: string) {
  const subprocess = yield* Subprocess
  const sandbox = yield* Sandbox.Sandbox
  const poster = at(`${name}.jpg`)
  const result = yield* Effect.result(
    subprocess.run(
      "ffmpeg",
      posterArguments(plan, { source: path, poster }, 0),
      sandbox.around({ purpose: "encode", reads: [path], writes: [folder] })
    )
  )
  const made = yield* Effect.promise(() =>
    access(poster).then(
      () => true,
      () => false
    )
  )
  return { made, result }
})

const rejected = Effect.fnUntraced(function* (path: string) {
  const { probe } = yield* MediaProbe
  return yield* Effect.flip(
    Effect.flatMap(probe(path), (found) => Effect.fromNullishOr(objection(found)).pipe(Effect.flip))
  )
})

/** Enough for any honest file here, and less than the bombs want. */
const memory = 300 * 1024 * 1024

const surroundings = Layer.unwrap(
  Effect.map(Sandbox.open({ mode: "auto", memory }), (sandbox) => Layer.succeed(Sandbox.Sandbox)(sandbox))
).pipe(Layer.provideMerge(Subprocess.layer))

// ffmpeg's own options do it alone; that the sandbox takes nothing away from them is shown by a few.
for (const [where, around, files] of [
  ["without a sandbox", Subprocess.layer, disguised],
  ["in what this machine has for one", surroundings, disguised.slice(2, 4)]
] as const) {
  layer(Probe.layer.pipe(Layer.provideMerge(around)), { excludeTestServices: true, timeout: "60 seconds" })(
    `a hostile file, ${where}`,
    (it) => {
      for (const [what, text] of files) {
        it.effect(`is refused as ${what}, and nothing is fetched or read`, () =>
          Effect.gen(function* () {
            const path = at("upload.mp4")
            yield* Effect.promise(() => writeFile(path, text()))
            assert.instanceOf(yield* rejected(path), SourceRejected)
            const { made, result } = yield* decode(path, "disguised")
            assert.strictEqual(result._tag, "Failure")
            assert.isFalse(made)
            assert.deepStrictEqual(fetched, [])
          })
        )
      }

      it.effect("is a path, also where it looks like an address", () =>
        Effect.gen(function* () {
          const { made } = yield* decode(`${address}/upload.mp4`, "address")
          assert.isFalse(made)
          assert.deepStrictEqual(fetched, [])
        })
      )
    }
  )
}

const chunk = (type: string, data: Buffer) => {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data])
  const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)]
  length.writeUInt32BE(data.length)
  check.writeUInt32BE(crc32(body))
  return Buffer.concat([length, body, check])
}

/** A white square of this many pixels a side, in a few kilobytes. */
const pngBomb = (side: number) => {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(side, 0)
  header.writeUInt32BE(side, 4)
  header[8] = 1
  const picture = deflateSync(Buffer.alloc(side * (Math.ceil(side / 8) + 1)), { level: 1 })
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
  return Buffer.concat([signature, chunk("IHDR", header), chunk("IDAT", picture), chunk("IEND", Buffer.alloc(0))])
}

layer(Probe.layer.pipe(Layer.provideMerge(surroundings)), { excludeTestServices: true, timeout: "60 seconds" })(
  "what a file may cost",
  (it) => {
    it.effect("is bounded where a few kilobytes unfold to a huge picture", () =>
      Effect.gen(function* () {
        yield* Effect.promise(() => writeFile(at("bomb.png"), pngBomb(16_000)))
        yield* Effect.promise(() => ffmpegWith("-f png_pipe -r 25 -i", at("bomb.png"), "-c", "copy", at("bomb.mov")))
        assert.instanceOf(yield* rejected(at("bomb.mov")), SourceRejected)
        const { made, result } = yield* decode(at("bomb.mov"), "bomb")
        assert.isFalse(made)
        assert.strictEqual(result._tag, "Failure")
      })
    )

    it.effect("is nothing for what its metadata says: that is no command, no filter and no option", () =>
      Effect.gen(function* () {
        const evil = `-y';touch ${at("touched")};'[v0],movie=${at("other.ts")}[x];$(touch ${at("touched")})`
        yield* Effect.promise(() =>
          ffmpegWith(
            "-f lavfi -i testsrc2=s=64x36:r=25:d=1 -f lavfi -i sine=d=1 -c:v libx264 -preset ultrafast -c:a aac -metadata",
            `title=${evil}`,
            "-metadata:s:v:0",
            `handler_name=${evil}`,
            "-metadata:s:a:0",
            `language=${evil}`,
            at("words.mkv")
          )
        )
        const found = yield* (yield* MediaProbe).probe(at("words.mkv"))
        assert.deepStrictEqual(
          found.audio.map(({ language }) => language),
          ["und"]
        )
        const paths = { source: at("words.mkv"), folderOf: (rendition: string) => at(`words/${rendition}`) }
        const said = transcodeArguments(wholeSource(found, { encoder }), paths).join("\n")
        assert.notMatch(said, /touch|movie/)
        assert.isTrue((yield* decode(at("words.mkv"), "words")).made)
        assert.isFalse(
          yield* Effect.promise(() =>
            access(at("touched")).then(
              () => true,
              () => false
            )
          )
        )
      })
    )

    it.effect("is bounded where there are hundreds of streams", () =>
      Effect.gen(function* () {
        const maps = Array.from({ length: 300 }, () => ["-map", "0:v"]).flat()
        yield* Effect.promise(() =>
          promisify(execFile)("ffmpeg", ["-v", "error", "-i", at("other.ts"), ...maps, "-c", "copy", at("streams.mkv")])
        )
        assert.instanceOf(yield* rejected(at("streams.mkv")), SourceRejected)
      })
    )

    it.effect(
      "is bounded for whatever damage there is, and the damage is never the worker's",
      () =>
        Effect.gen(function* () {
          const { probe } = yield* MediaProbe
          const options = "-v error -y -i %s -c copy -movflags +faststart"
          for (const name of ["whole.mp4", "whole.mkv", "whole.ts"]) {
            yield* Effect.promise(() => ffmpegWith(options.replace("%s", at("other.ts")), at(name)))
            const bytes = yield* Effect.promise(() => readFile(at(name)))
            const flipped = Buffer.from(bytes)
            for (let n = 0; n < 40; n += 1) flipped[(n * 7919) % flipped.length]! ^= 1 << (n % 8)
            const beginning = Buffer.from(bytes)
            for (let n = 0; n < 64; n += 1) beginning[n * 3]! ^= 0xff
            for (const damaged of [
              bytes.subarray(0, bytes.length * 0.6),
              flipped,
              beginning,
              Buffer.alloc(5000, 0xff)
            ]) {
              yield* Effect.promise(() => writeFile(at("damaged.mp4"), damaged))
              const tried = yield* Effect.result(probe(at("damaged.mp4")))
              if (tried._tag === "Failure") assert.instanceOf(tried.failure, SourceRejected)
            }
          }
        }),
      60_000
    )

    describe.runIf(bubblewrapWorks)("with bubblewrap", () => {
      it.effect("is nothing of a neighbour, even where ffmpeg is asked for it", () =>
        Effect.gen(function* () {
          const subprocess = yield* Subprocess
          const sandbox = yield* Sandbox.Sandbox
          const path = at("asking.m3u8")
          const given = { purpose: "encode", reads: [path], writes: [] } as const
          for (const target of [at("other.ts"), `${address}/internal/admin.ts`]) {
            yield* Effect.promise(() => writeFile(path, playlist(target)))
            const anything = ["-v", "error", "-protocol_whitelist", "file,http,tcp", "-allowed_extensions", "ALL"]
            const asked = subprocess.run("ffmpeg", [...anything, "-i", path, "-f", "null", "-"], sandbox.around(given))
            const error = yield* Effect.flip(asked)
            assert.match(error.message, /ffmpeg/)
            assert.deepStrictEqual(fetched, [])
          }
        })
      )
    })
  }
)

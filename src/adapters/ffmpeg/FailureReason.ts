/** Why an ffmpeg ended badly, read from the tail of its stderr. */
import type { TranscodeFailed } from "../../domain/ports/Transcoder.ts"

const signs: ReadonlyArray<readonly [TranscodeFailed["reason"], RegExp]> = [
  ["resources", /No space left on device|Cannot allocate memory|Disk quota exceeded|Too many open files/i],
  [
    "device",
    /OpenEncodeSessionEx failed|No capable devices found|Cannot load (lib)?(nvcuda|cuda|nvidia-encode)|Device creation failed|Failed to initiali[sz]e VAAPI|device lost|CUDA_ERROR/i
  ],
  [
    "source",
    /Invalid data found when processing input|moov atom not found|Format not on whitelist|could not find codec parameters/i
  ]
]

export const failureReason = (stderr: string): TranscodeFailed["reason"] =>
  signs.find(([, sign]) => sign.test(stderr))?.[0] ?? "crashed"

/** The last line that says something: ffmpeg ends with "Conversion failed!" after the line that tells why. */
export const lastWords = (stderr: string): string =>
  stderr
    .split(/[\r\n]+/)
    .map((line) => line.trim().replace(/^\[[^\]]*\]\s*/, ""))
    .filter((line) => line !== "" && line !== "Conversion failed!")
    .at(-1) ?? "no message"

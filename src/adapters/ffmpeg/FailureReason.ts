/** Why an ffmpeg ended badly, read from the tail of its stderr. */
import type { TranscodeFailed } from "../../domain/ports/Transcoder.ts"

type Reason = TranscodeFailed["reason"]

const full = /No space left on device|Cannot allocate memory|Disk quota exceeded|Too many open files/i

/** A GeForce whose sessions are taken says that it is out of memory, and before driver 530 that a key is wrong. */
const sessions = /OpenEncodeSessionEx failed: (out of memory|incompatible client key)/i

/** What VA-API, NVENC and Quick Sync say of pictures that their hardware does not take. */
const unfit =
  /Hardware does not support encoding at size|(Width|Height) \d+ exceeds \d+|(\d+ bit encode|YUV\d\w*) not supported|Current (resolution|pixel format) is unsupported/i

/** Lines of a driver, or of ffmpeg about one, that name the cause. Those that only say that something failed come below. */
const device: ReadonlyArray<RegExp> = [
  // NVENC: no driver, a driver too old for this build, no engine, no session left, a codec or option that a generation lacks.
  /Cannot load lib(cuda|nvcuvid|nvidia-encode)|Driver does not support the required nvenc API version/i,
  /OpenEncodeSessionEx failed|CUDA_ERROR_\w+|InitializeEncoder failed|EncodePicture failed|Failed locking bitstream/i,
  /Codec not supported|No (NVENC )?capable devices found|B-frames? .*(exceed|not supported)/i,
  // VA-API: no driver, a device that does not encode, a size or a rate control that it does not take, a GPU that hangs.
  /No VA display found|Failed to initiali[sz]e VAAPI connection|No usable encoding (profile|entrypoint)/i,
  /Driver does not support .*RC mode|not supported by driver/i,
  /Failed to (sync surface|end picture encode|map output buffers|upload frame|create (surface|context|processing))/i,
  // Quick Sync.
  /(initiali[sz]ing|creating) (an? )?(internal )?MFX session|device (lost|failed)|GPU hang/i,
  /ratecontrol mode is unsupported|Low power mode is unsupported|initializing the encoder/i,
  // Pictures that never got to the device, or that nothing on it can take.
  /Device creation failed|hwaccel initiali[sz]ation returned error|No decoder surfaces left/i,
  /Impossible to convert between the formats supported by the filter|Error reinitializing filters|No such filter/i
]

const source =
  /Invalid data found when processing input|moov atom not found|Format not on whitelist|could not find codec parameters/i

/** The order decides where several appear: a full disk makes everything else fail, and a lost device spoils data. */
const signs: ReadonlyArray<readonly [Reason, RegExp]> = [
  ["resources", full],
  ["sessions", sessions],
  ["unfit", unfit],
  ...device.map((sign) => ["device", sign] as const),
  ["source", source]
]

const lines = (stderr: string): ReadonlyArray<string> =>
  stderr
    .split(/[\r\n]+/)
    .map((line) => line.trim().replace(/^(\[[^\]]*\]\s*)+/, ""))
    .filter((line) => line !== "" && line !== "Conversion failed!")

export const failureReason = (stderr: string): Reason => signs.find(([, sign]) => sign.test(stderr))?.[0] ?? "crashed"

/** The last line that says something: ffmpeg ends with "Conversion failed!" after the line that tells why. */
export const lastWords = (stderr: string): string => lines(stderr).at(-1) ?? "no message"

/**
 * The line that names the cause, and the last one where none does. With a device the cause comes first, and after it
 * ffmpeg wonders about "incorrect parameters such as bit_rate, rate, width or height".
 */
export const cause = (stderr: string): string => {
  const sign = signs.find(([, sign]) => sign.test(stderr))?.[1]
  return lines(stderr).find((line) => sign?.test(line) === true) ?? lastWords(stderr)
}

/** What an ffmpeg that ended with 0 has really done: it does so too with half of a file, or with nothing but noise. */
import * as FrameRate from "../../domain/media/FrameRate.ts"
import type { TranscodePlan } from "../../domain/media/TranscodePlan.ts"
import { TranscodeFailed } from "../../domain/ports/Transcoder.ts"
import { failureReason, lastWords } from "./FailureReason.ts"

/** One for each packet that could not be read and each picture that came out wrong. Decoders say more, in words of theirs. */
const unreadable =
  /partial file|File ended prematurely|Invalid data found|corrupt(?:ed)? (?:decoded frame|input packet)|missing picture/i

/** A packet of the output that lies before the one that was made before it. */
const setBack = /Non-monoton(?:ous|ic) DTS/

/** So many packets of sound do no harm where one sound ends and another begins. */
const allowedSetBack = 10

export interface Damage {
  readonly complaints: number
  /** What was said first, without the name of the file. */
  readonly first: string
}

/** Counts the lines of stderr that tell of damage, also those that ffmpeg only counts. */
export const makeComplaints = () => {
  let complaints = 0
  let first: string | undefined
  let counting = false
  let backwards = 0
  const note = (line: string): void => {
    const repeated = /^\s*Last message repeated (\d+) times/.exec(line)?.[1]
    if (repeated !== undefined) {
      complaints += counting ? Number(repeated) : 0
      return
    }
    if (setBack.test(line)) backwards += 1
    const found = unreadable.exec(line)?.[0]
    counting = found !== undefined
    complaints += counting ? 1 : 0
    first ??= found
  }
  return {
    note,
    damage: (): Damage | null => (first === undefined ? null : { complaints, first }),
    /** The clock of the output was set back: ffmpeg began to filter anew, which it does where sound changes its form. */
    wasSetBack: () => backwards > allowedSetBack
  }
}

/** One bad packet of a telephone's film is let pass; a film of which a tenth is wrong is not worth watching. */
const tolerated = (frames: number) => Math.max(10, frames / 10)

/** Pictures by which an output may differ from its plan: what rounding takes. */
const allowedFrames = 1

/** The same in seconds, and what an encoder that puts pictures in another order holds back in its last word. */
const allowedSeconds = (rate: FrameRate.FrameRate) => 0.5 + FrameRate.seconds(rate, 4)

/**
 * `frames` are all that are there now, the first `before` of them from an earlier attempt; `seconds` are ffmpeg's last word
 * on its outputs, null where it said nothing. Of an encode that began in the middle version 5 counts from the beginning of
 * the film, to the end of the longest output, and version 7 from where the pictures began, to that of the shortest.
 */
export const objectionTo = (
  plan: TranscodePlan,
  end: {
    readonly frames: number
    readonly before: number
    readonly seconds: number | null
    readonly damage: Damage | null
    readonly setBack: boolean
    readonly stderr: string
  }
): TranscodeFailed | null => {
  const failed = (reason: TranscodeFailed["reason"], problem: string) =>
    new TranscodeFailed({ reason, problem, details: end.stderr })
  if (failureReason(end.stderr) === "resources") return failed("resources", lastWords(end.stderr))
  if (end.setBack) {
    return failed(
      "source",
      "The sound changes its channels or its sampling rate in the middle of the file. Convert it with another program and upload the result"
    )
  }
  const { damage, seconds } = end
  const lost = plan.frames - end.frames
  if (damage !== null && (damage.complaints > tolerated(plan.frames) || lost > allowedFrames)) {
    return failed(
      "source",
      `The file is damaged: of ${plan.frames} pictures ${Math.max(0, lost)} are missing, and ffmpeg complained ${damage.complaints} times ("${damage.first}")`
    )
  }
  const { frameRate } = plan.grid
  const ends = [plan.duration, plan.duration - FrameRate.seconds(frameRate, end.before)]
  if (seconds !== null && !ends.some((wanted) => Math.abs(seconds - wanted) <= allowedSeconds(frameRate))) {
    return failed(
      "crashed",
      `ffmpeg ended without an error at ${seconds.toFixed(2)} s, but the film lasts ${plan.duration.toFixed(2)} s`
    )
  }
  return null
}

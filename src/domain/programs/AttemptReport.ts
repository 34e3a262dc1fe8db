/** What an attempt tells while it goes on. */
import type { Progress, RenditionProgress, Step } from "../jobs/Progress.ts"
import { percentOf } from "../jobs/Progress.ts"
import * as FrameRate from "../media/FrameRate.ts"
import type { TranscodePlan } from "../media/TranscodePlan.ts"
import { renditionNames } from "../media/TranscodePlan.ts"
import type { TranscodeEvent } from "../ports/Transcoder.ts"
import type { SourceFacts } from "../videos/Video.ts"

/** Read by the lease's renewal. */
export interface AttemptReport {
  readonly progress: Progress
  readonly facts: SourceFacts | null
}

/** The next step, with the percent of the whole at which it begins. */
export const enter =
  (step: Step, percent: number) =>
  ({ facts, progress }: AttemptReport): AttemptReport => ({ facts, progress: { ...progress, step, percent } })

const share = { first: 10, last: 97 }

type Advanced = Extract<TranscodeEvent, { readonly _tag: "Advanced" }>

/** Of encoding, at the speed of now; null where there is none yet. */
export const secondsLeft = (plan: TranscodePlan, { frames, speed }: Advanced): number | null =>
  speed === null || speed <= 0
    ? null
    : FrameRate.seconds(plan.grid.frameRate, Math.max(0, plan.frames - frames)) / speed

/** All renditions come from one decoder, so that they advance together. */
export const advanced =
  (plan: TranscodePlan, event: Advanced) =>
  ({ facts }: AttemptReport): AttemptReport => {
    const percent = percentOf(event.frames, plan.frames)
    return {
      facts,
      progress: {
        step: "transcode",
        percent: share.first + Math.floor((percent * (share.last - share.first)) / 100),
        renditions: renditionNames(plan).map((name): RenditionProgress => ({
          name,
          status: "in_progress",
          percent,
          speed: event.speed,
          secondsLeft: secondsLeft(plan, event)
        }))
      }
    }
  }

export const finished =
  (plan: TranscodePlan) =>
  ({ facts }: AttemptReport): AttemptReport => ({
    facts,
    progress: {
      step: "finalize",
      percent: 100,
      renditions: renditionNames(plan).map((name) => ({
        name,
        status: "uploaded",
        percent: 100,
        speed: null,
        secondsLeft: 0
      }))
    }
  })

/** What is told of a task, in the words and within the limits of the protocol. */
import type { Progress } from "../../../domain/jobs/Progress.ts"
import { averageBitrate, type Presentation } from "../../../domain/media/Presentation.ts"
import type { SourceFacts } from "../../../domain/videos/Video.ts"
import type { ProgressReport } from "../contract/Worker.ts"

export const progressReport = (report: {
  readonly progress: Progress
  readonly facts: SourceFacts | null
}): typeof ProgressReport.Type => {
  const { facts, progress } = report
  return {
    current_step: progress.step,
    progress_percent: progress.percent,
    quality_progress: progress.renditions.map((rendition) => ({
      name: rendition.name,
      status: rendition.status,
      progress: rendition.percent,
      speed: rendition.speed,
      seconds_left: rendition.secondsLeft
    })),
    ...(facts === null ? {} : { duration: facts.duration, source_width: facts.width, source_height: facts.height })
  }
}

/** The protocol counts in thousands of bits a second. */
export const outputReport = ({
  facts,
  presentation
}: {
  readonly facts: SourceFacts
  readonly presentation: Presentation
}) => ({
  qualities: presentation.video.map((track) => ({
    name: track.name,
    width: track.width,
    height: track.height,
    bitrate: Math.round(averageBitrate(track) / 1000)
  })),
  duration: facts.duration,
  source_width: facts.width,
  source_height: facts.height,
  streaming_format: "cmaf" as const
})

/** The protocol takes no longer text; the end of ffmpeg's output is where the reason is. */
export const shortened = (error: string) =>
  error.length <= 500 ? error : `${error.slice(0, 200)} … ${error.slice(-295)}`.toWellFormed()

/** All in one text, for a server that has no other place for the last lines of ffmpeg. */
export const failureText = ({ error, stderr }: { readonly error: string; readonly stderr: string | null }) =>
  shortened(stderr === null ? error : `${error}\n${stderr}`)

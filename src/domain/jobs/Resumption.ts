/** How an attempt goes on where an earlier one at the same task ended, with the segments that one had uploaded. */
import type { LeaseId } from "../ids.ts"
import type { RegisteredFile } from "../media/Segment.ts"
import { initName, segmentName } from "../media/Segment.ts"
import * as SegmentGrid from "../media/SegmentGrid.ts"
import { gridOf, type TranscodePlan } from "../media/TranscodePlan.ts"

/** What an earlier attempt with the same encoder left. */
export interface Leavings {
  readonly lease: LeaseId
  readonly files: ReadonlyArray<RegisteredFile>
}

export interface Resumption {
  readonly lease: LeaseId
  /** Whole segments of pictures that need not be made again, of every rendition. At least one, and not all. */
  readonly segments: number
  /** These segments, and the init segments that they need. */
  readonly files: ReadonlyArray<RegisteredFile>
}

/** Segments from the first on that are whole, lie on the grid and follow upon each other. */
const leading = (
  files: ReadonlyMap<string, RegisteredFile>,
  framesPerSegment: number
): ReadonlyArray<RegisteredFile> => {
  const found: Array<RegisteredFile> = []
  for (let time = 0; ;) {
    const file = files.get(segmentName(found.length))
    if (file?.facts._tag !== "MediaSegment") return found
    const { decodeTime, duration, samples, startsWithKeyframe } = file.facts
    if (decodeTime !== time || samples !== framesPerSegment || !startsWithKeyframe) return found
    found.push(file)
    time += duration
  }
}

/**
 * What of it serves this plan; null where nothing does. The last segment is always made anew, so that there is a part
 * to compare the init segments with. Sound is made anew whole.
 */
export const resumption = (plan: TranscodePlan, { files, lease }: Leavings): Resumption | null => {
  if (plan.sound !== undefined) return null
  const renditions = plan.video.map((rendition) => {
    const { name } = rendition
    const { framesPerSegment } = gridOf(plan, rendition)
    const own = new Map(files.filter(({ rendition }) => rendition === name).map((file) => [file.name, file]))
    const init = own.get(initName)
    return init?.facts._tag === "VideoInit" ? { init, segments: leading(own, framesPerSegment) } : null
  })
  const segments = Math.min(
    SegmentGrid.segmentCount(plan.grid, plan.frames) - 1,
    ...renditions.map((rendition) => rendition?.segments.length ?? 0)
  )
  if (segments < 1) return null
  return {
    lease,
    segments,
    files: renditions.flatMap((made) => (made === null ? [] : [made.init, ...made.segments.slice(0, segments)]))
  }
}

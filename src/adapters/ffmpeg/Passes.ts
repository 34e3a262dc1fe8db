/** A plan in as many parts as a limit on encoder sessions makes necessary. */
import type { TranscodePlan } from "../../domain/media/TranscodePlan.ts"

/**
 * Every rung takes a session of its own, so that a ladder with more rungs than sessions is made by several ffmpegs, one
 * after the other. Keyframes lie on the plan's grid whichever of them makes a rung; sound goes with the first.
 */
export const passes = (plan: TranscodePlan, sessions: number | null): ReadonlyArray<TranscodePlan> => {
  if (sessions === null || plan.video.length <= sessions) return [plan]
  const count = Math.ceil(plan.video.length / sessions)
  const size = Math.ceil(plan.video.length / count)
  return Array.from({ length: count }, (_, index) => ({
    ...plan,
    video: plan.video.slice(index * size, (index + 1) * size),
    audio: index === 0 ? plan.audio : []
  }))
}

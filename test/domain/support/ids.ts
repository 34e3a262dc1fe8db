/** Names for things in tests: the n-th of its kind. */
import { JobId, LeaseId, Sha256, TaskId, VideoId, WorkerId } from "../../../src/domain/ids.ts"

const uuid = (kind: number, n: number) => `0000000${kind}-0000-4000-8000-${String(n).padStart(12, "0")}`

export const leaseId = (n: number): LeaseId => LeaseId.make(uuid(1, n))
export const workerId = (n: number): WorkerId => WorkerId.make(uuid(2, n))
export const taskId = (n: number): TaskId => TaskId.make(n)
export const jobId = (n: number): JobId => JobId.make(n)
export const videoId = (n: number): VideoId => VideoId.make(n)
export const sha256 = (n: number): Sha256 => Sha256.make(n.toString(16).padStart(64, "0"))

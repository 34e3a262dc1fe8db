/** A task in someone's hands, as a row. */
import { Schema } from "effect"
import { JobId, LeaseId, TaskId, VideoId } from "../../../domain/ids.ts"

export const Held = Schema.Struct({ taskId: TaskId, jobId: JobId, videoId: VideoId, leaseId: LeaseId })

/** What operators ask of videos. */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { LeaseId, Sha256, VideoId } from "../../../domain/ids.ts"
import { VideoStatus } from "../../../domain/videos/Video.ts"
import { AdminAuth } from "./Auth.ts"
import { takingBytes } from "./Described.ts"
import { BadRequest, BodyTimeout, Conflict, NotFound, StorageFull, TooLarge, Unavailable } from "./Errors.ts"
import { paging, pageFields, Text } from "./Fields.ts"
import { JobAnswer, Priority } from "./Jobs.ts"
import { wishes } from "./Wishes.ts"

export const VideoAnswer = Schema.Struct({
  id: VideoId,
  slug: Schema.String,
  title: Schema.String,
  status: VideoStatus,
  source_filename: Schema.String,
  source_bytes: Schema.Int,
  source_sha256: Sha256,
  duration: Schema.NullOr(Schema.Finite),
  width: Schema.NullOr(Schema.Int),
  height: Schema.NullOr(Schema.Int),
  created_at: Schema.DateFromString,
  published_at: Schema.NullOr(Schema.DateFromString)
})

/** With its latest job. */
export const VideoWithJob = Schema.Struct({ video: VideoAnswer, job: Schema.NullOr(JobAnswer) })

const Publication = Schema.Struct({
  id: LeaseId,
  /** Paths on this server. */
  watch: Schema.String,
  hls: Schema.String,
  dash: Schema.NullOr(Schema.String),
  renditions: Schema.Array(Schema.String)
})

export const VideoDetail = Schema.Struct({
  ...VideoWithJob.fields,
  /** Newest first. */
  jobs: Schema.Array(JobAnswer),
  publication: Schema.NullOr(Publication)
})

const params = { slug: Schema.String }

export class VideoGroup extends HttpApiGroup.make("videos")
  .add(
    HttpApiEndpoint.post("upload", "/api/videos", {
      query: {
        filename: Text(255).pipe(Schema.check(Schema.isNonEmpty())),
        title: Schema.optionalKey(Text(200)),
        ...wishes
      },
      success: VideoWithJob.pipe(HttpApiSchema.status(201)),
      error: [BadRequest, BodyTimeout, TooLarge, Unavailable, StorageFull]
    })
      .annotateMerge(takingBytes("application/octet-stream"))
      .annotateMerge(
        OpenApi.annotations({
          summary: "Upload a video",
          description: "The body is the file, with or without a length."
        })
      ),
    HttpApiEndpoint.get("list", "/api/videos", {
      query: {
        ...paging,
        sha256: Schema.optionalKey(Sha256),
        status: Schema.optionalKey(VideoStatus),
        q: Schema.optionalKey(Text(200))
      },
      success: Schema.Struct({ videos: Schema.Array(VideoWithJob), ...pageFields }),
      error: Unavailable
    }).annotateMerge(
      OpenApi.annotations({
        summary: "List videos",
        description: "Newest first. `q` is looked for in slug and title, in any case of letters."
      })
    ),
    HttpApiEndpoint.get("show", "/api/videos/:slug", {
      params,
      success: VideoDetail,
      error: [NotFound, Unavailable]
    }).annotateMerge(OpenApi.annotations({ summary: "Show a video with its jobs and what is published of it" })),
    HttpApiEndpoint.delete("remove", "/api/videos/:slug", {
      params,
      success: Schema.Struct({
        status: Schema.Literal("ok"),
        message: Schema.String,
        /** Workers whose work on it was ended. */
        ended_leases: Schema.Int
      }),
      error: [NotFound, Unavailable]
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Delete a video for good",
        description:
          "With its source, its jobs and everything that was made of it. Work in progress ends at once: its workers get " +
          "409. One that was deleted before is answered 200 again, one that never was 404."
      })
    ),
    HttpApiEndpoint.post("transcode", "/api/videos/:slug/transcode", {
      params,
      payload: Schema.Struct({ priority: Schema.optionalKey(Priority) }),
      success: JobAnswer.pipe(HttpApiSchema.status(201)),
      error: [NotFound, Conflict, Unavailable]
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Transcode a video again",
        description:
          "A new job from the same source, in the codec that the last one was to have. Viewers see the earlier output " +
          "until the new one is published. 409 while another job of the video is active."
      })
    )
  )
  .middleware(AdminAuth) {}

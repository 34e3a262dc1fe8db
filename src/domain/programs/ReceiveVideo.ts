/** From an upload's bytes to a queued job. */
import { Effect, Schema, type Stream } from "effect"
import { MediaStore } from "../ports/MediaStore.ts"
import { createVideo, type VideoAbout } from "./CreateVideo.ts"

export class EmptyUpload extends Schema.TaggedError<EmptyUpload>()("EmptyUpload", { fileName: Schema.String }) {
  override get message() {
    return `${this.fileName} is empty`
  }
}

/** The source is whole and durable on disk before the video and its job appear. */
export const receiveVideo = Effect.fn("receiveVideo")(function* <E>(options: {
  readonly about: VideoAbout
  readonly maxBytes: number
  readonly body: Stream.Stream<Uint8Array, E>
}) {
  const media = yield* MediaStore
  const received = yield* media.receive(options.body, { maxBytes: options.maxBytes })
  if (received.bytes === 0) return yield* new EmptyUpload({ fileName: options.about.fileName })
  return yield* createVideo(options.about, received)
}, Effect.scoped)

/** From the word of a worker of the older protocol that it is done to a published video. */
import { Effect } from "effect"
import type { Account } from "../jobs/Attempt.ts"
import { type DeliveredQuality, judgeDelivery } from "../jobs/Delivery.ts"
import { DeliveryStore } from "../ports/DeliveryStore.ts"
import type { Holder, Subject } from "../ports/JobStore.ts"
import { JobStore } from "../ports/JobStore.ts"
import { MediaStore } from "../ports/MediaStore.ts"
import type { SourceFacts } from "../videos/Video.ts"

/** Such a worker says which renditions it made, but not of which files they consist: the playlists do. */
export const completeDelivery = Effect.fn("completeDelivery")(function* (
  subject: Subject,
  holder: Holder,
  report: {
    readonly facts: SourceFacts
    readonly qualities: ReadonlyArray<DeliveredQuality>
    readonly account: Account
  }
) {
  const jobs = yield* JobStore
  const media = yield* MediaStore
  const deliveries = yield* DeliveryStore
  return yield* jobs.complete(subject, holder, {
    facts: report.facts,
    languages: {},
    account: report.account,
    confirm: (registered) => Effect.succeed(registered),
    publish: Effect.fnUntraced(function* (publication) {
      const files = yield* deliveries.files(publication)
      const delivery = yield* Effect.fromResult(
        judgeDelivery(files, { qualities: report.qualities, duration: report.facts.duration })
      )
      yield* media.assembleDelivery(publication, delivery)
      return delivery.presentation
    })
  })
})

/** What a person is told about a video or a job; finer states of the domain are mapped onto these. */
import { html, type Html } from "./Html.ts"

export type ShownState = "waiting" | "transcoding" | "published" | "failed" | "cancelled"

export const stateLabel = (state: ShownState): Html =>
  html`<span class="state" data-state="${state}">${stateWords[state]}</span>`

const stateWords: Readonly<Record<ShownState, string>> = {
  waiting: "Waiting",
  transcoding: "Transcoding",
  published: "Published",
  failed: "Failed",
  cancelled: "Cancelled"
}

/** What the page of one video shows. */

export interface WatchView {
  readonly slug: string
  readonly title: string
  readonly createdAt: Date
  readonly source: WatchSource
  /** What viewers see now; it stays while a newer output is being made. */
  readonly output: WatchOutput | null
  /** The latest job that has not been published; null when there is nothing to report. */
  readonly job: WatchJob | null
}

/** What the probe found, as far as it is known yet. */
interface WatchSource {
  readonly durationSeconds: number | null
  readonly width: number | null
  readonly height: number | null
  readonly bytes: number
}

export interface WatchOutput {
  readonly publishedAt: Date
  /** What the player here loads. */
  readonly manifestUrl: string
  /** HLS. */
  readonly masterUrl: string
  /** Null where renditions hold their own sound: HLS serves these better. */
  readonly dashUrl: string | null
  readonly posterUrl: string | null
  /** From the largest to the smallest, then audio, as they should be read. */
  readonly renditions: ReadonlyArray<WatchRendition>
}

interface WatchRendition {
  readonly name: string
  /** As in the playlist: `avc1.640028`. */
  readonly codec: string
  /** Null for audio. */
  readonly width: number | null
  readonly height: number | null
  readonly frameRate: number | null
  /** Bits per second. */
  readonly averageBitRate: number | null
  readonly peakBitRate: number | null
  readonly segments: number
}

export type WatchJob =
  | { readonly state: "waiting" }
  | { readonly state: "transcoding"; readonly percent: number; readonly secondsLeft: number | null }
  | { readonly state: "failed"; readonly reason: string }
  | { readonly state: "cancelled" }

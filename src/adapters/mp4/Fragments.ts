/** What the fragments of a track say of time. */
import type { ISOFile } from "mp4box"

type Traf = ISOFile["moofs"][number]["trafs"][number]

/** `sample_is_non_sync_sample` of the sample flags (ISO/IEC 14496-12 section 8.8.3.1). */
const nonSync = 0x10000

/** Fragments of one track, in order. */
export const combined = (trafs: ReadonlyArray<Traf>) => {
  let decodeTime: number | null = null
  let duration = 0
  let samples = 0
  let startsWithKeyframe = false
  for (const traf of trafs) {
    for (const run of traf.truns) {
      if (samples === 0) {
        const flags = run.sample_flags[0] ?? (run.first_sample_flags || traf.tfhd.default_sample_flags)
        startsWithKeyframe = (flags & nonSync) === 0
      }
      samples += run.sample_count
      duration +=
        run.sample_duration.length > 0
          ? run.sample_duration.reduce((sum, value) => sum + value, 0)
          : run.sample_count * traf.tfhd.default_sample_duration
    }
    decodeTime ??= traf.tfdt?.baseMediaDecodeTime ?? null
  }
  return { decodeTime, duration, samples, startsWithKeyframe }
}

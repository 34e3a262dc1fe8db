/** Why an attempt failed, in few enough words to count by. */
import { Schema } from "effect"

/**
 * `source`: it cannot be decoded. `device`, `sessions`: the encoder's hardware refused, or had no room. `resources`: no
 * room in memory or on the work folder's disk, or a disk that refuses. `stalled`: no frame for a long time. `crashed`:
 * ffmpeg ended otherwise. `probe`: ffprobe could not be run. `incomplete`: the output was not what the source promised.
 * `refused`: the API would not have it. `unexpected`: a fault of the worker's. `unknown`: the worker did not say.
 */
export const FailureReason = Schema.Literals([
  "source",
  "device",
  "sessions",
  "resources",
  "stalled",
  "crashed",
  "probe",
  "incomplete",
  "refused",
  "unexpected",
  "unknown"
])
export type FailureReason = typeof FailureReason.Type

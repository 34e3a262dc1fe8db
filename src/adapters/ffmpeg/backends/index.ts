/** Every backend that a worker tries at its start. A new one is a file beside this one and a line here. */
import type { Encoder } from "../../../domain/media/Encoder.ts"
import type { BackendModule } from "./Backend.ts"
import { nvenc } from "./nvenc.ts"
import { qsv } from "./qsv.ts"
import { software } from "./software.ts"
import { vaapi } from "./vaapi.ts"

export const backends: ReadonlyArray<BackendModule> = [nvenc, qsv, vaapi, software]

/** The module of an encoder that this worker itself reported. */
export const backendOf = (encoder: Encoder): BackendModule => {
  const found = backends.find((module) => module.backend === encoder.backend)
  if (found === undefined) throw new Error(`no module for backend ${encoder.backend}`)
  return found
}

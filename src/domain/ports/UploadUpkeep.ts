/** What the cleanup needs to know of uploads that nobody goes on with. */
import type { Effect } from "effect"
import { Context } from "effect"
import type { ArrivingId } from "../ids.ts"
import type { Upload } from "../videos/Upload.ts"
import type { StoreUnavailable } from "./StoreUnavailable.ts"

type Left = Pick<Upload, "id" | "arriving">

export class UploadUpkeep extends Context.Service<
  UploadUpkeep,
  {
    /** Those that have expired and have no writer, whatever became of them. */
    readonly expired: Effect.Effect<ReadonlyArray<Left>, StoreUnavailable>
    readonly forgetExpired: Effect.Effect<ReadonlyArray<Left>, StoreUnavailable>
    /** Bytes that belong to an upload. */
    readonly reachable: Effect.Effect<ReadonlySet<ArrivingId>, StoreUnavailable>
  }
>()("vlog/domain/ports/UploadUpkeep") {}

/** The Worker API. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Duration, Effect, Layer, Schedule } from "effect"
import { JobStore } from "../domain/ports/JobStore.ts"
import * as TarGzip from "../adapters/archive/TarGzip.ts"
import * as SegmentInspector from "../adapters/mp4/Inspector.ts"
import { Db, type DbOptions } from "../adapters/postgres/Db.ts"
import * as PostgresAccessKeys from "../adapters/postgres/AccessKeys.ts"
import * as PostgresJobStore from "../adapters/postgres/JobStore.ts"
import * as PostgresAttemptJournal from "../adapters/postgres/AttemptJournal.ts"
import * as PostgresDeliveryStore from "../adapters/postgres/DeliveryStore.ts"
import * as PostgresFarmFigures from "../adapters/postgres/FarmFigures.ts"
import * as PostgresJobControl from "../adapters/postgres/JobControl.ts"
import * as PostgresJobNews from "../adapters/postgres/JobNews.ts"
import * as PostgresJobSignal from "../adapters/postgres/JobSignal.ts"
import { migrate } from "../adapters/postgres/Migrator.ts"
import * as PostgresUploadStore from "../adapters/postgres/UploadStore.ts"
import * as PostgresVideoStore from "../adapters/postgres/VideoStore.ts"
import * as PostgresWorkerRegistry from "../adapters/postgres/WorkerRegistry.ts"
import * as DiskMediaStore from "../adapters/storage/MediaStore.ts"
import * as DiskMediaUpkeep from "../adapters/storage/MediaUpkeep.ts"
import * as Pages from "../adapters/web/Routes.ts"
import * as FarmGauges from "../adapters/worker-api/server/FarmGauges.ts"
import { countAttempts } from "../adapters/worker-api/server/Metrics.ts"
import * as Server from "../adapters/worker-api/server/Server.ts"
import { TrustedProxies } from "../adapters/worker-api/server/Caller.ts"
import { RateLimits } from "../adapters/worker-api/server/RateLimits.ts"
import { ApiSettings, ArchiveBounds, MetricsToken } from "../adapters/worker-api/server/Settings.ts"
import { tellAttempts } from "../domain/programs/TellAttempts.ts"
import { launch } from "./launch.ts"
import { apiSettings } from "./settings/api.ts"
import { sampling } from "./telemetry.ts"
import { version } from "./version.ts"

/** The schema is brought up to date before anything reads it. */
const database = (options: Pick<DbOptions, "url" | "max">) =>
  Layer.effectDiscard(migrate()).pipe(
    Layer.provide(NodeServices.layer),
    Layer.provideMerge(Db.layer({ ...options, applicationName: "vlog-api" }))
  )

const stores = Layer.mergeAll(PostgresVideoStore.layer, PostgresDeliveryStore.layer, PostgresJobControl.layer).pipe(
  Layer.provideMerge(
    Layer.mergeAll(
      PostgresJobStore.layer,
      PostgresWorkerRegistry.layer,
      PostgresJobSignal.layer,
      PostgresJobNews.layer,
      PostgresFarmFigures.layer,
      PostgresAccessKeys.layer,
      PostgresAttemptJournal.layer
    )
  )
)

const api = Layer.unwrap(
  Effect.gen(function* () {
    const settings = yield* apiSettings
    const sweeper = Layer.effectDiscard(
      Effect.gen(function* () {
        const jobs = yield* JobStore
        yield* jobs.sweep.pipe(
          Effect.tap(({ failed, requeued }) => countAttempts("expired", failed + requeued)),
          Effect.tap(({ extended, failed, requeued }) =>
            extended || failed + requeued > 0 ? Effect.logInfo("swept", { extended, failed, requeued }) : Effect.void
          ),
          Effect.catch((error) => Effect.logWarning("sweep failed", { problem: error.message })),
          Effect.withTracerEnabled(false),
          Effect.repeat(Schedule.spaced(settings.sweepEvery)),
          Effect.forkScoped
        )
        yield* Effect.addFinalizer(() => tellAttempts)
        yield* tellAttempts.pipe(Effect.repeat(Schedule.spaced("1 second")), Effect.forkScoped)
      })
    )
    const http = Server.serve(Layer.mergeAll(Server.routes, Pages.routes), settings)
    return Layer.mergeAll(http, sweeper, sampling).pipe(
      Layer.provide(FarmGauges.layer),
      Layer.provide([
        stores.pipe(
          Layer.provideMerge(PostgresUploadStore.layer({ life: settings.uploadLife })),
          Layer.provide(database({ url: settings.databaseUrl, max: settings.databasePool }))
        ),
        DiskMediaStore.layer({ root: settings.storage }),
        DiskMediaUpkeep.layer({ root: settings.storage }),
        SegmentInspector.layer,
        TarGzip.layer,
        settings.rateLimits === null ? RateLimits.layerOff : RateLimits.layer(settings.rateLimits),
        Layer.succeed(TrustedProxies)(settings.trustedProxies),
        Layer.succeed(ArchiveBounds)({ maxFiles: settings.maxArchiveFiles, maxBytes: Number(settings.maxArchive) }),
        Layer.succeed(MetricsToken)(settings.metricsToken),
        Layer.succeed(ApiSettings)({
          adminSecret: settings.adminSecret,
          claimSeconds: settings.claimMinutes * 60,
          gpuWaitSeconds: Duration.toSeconds(settings.gpuWait),
          maxSourceBytes: Number(settings.maxSource),
          maxPartBytes: Number(settings.maxPart),
          version
        })
      ])
    )
  })
)

launch("api", Layer.launch(api))

/** LISTEN over a connection of its own. */
import { Duration, Effect, Queue, Stream } from "effect"
import { type Connection, type ConnectionSettings, run } from "./connection.ts"

export type Notification =
  /** Connected, for the first time or again: anything may have been missed, go and look. */
  { readonly _tag: "Listening" } | { readonly _tag: "Notified"; readonly payload: string }

export const notifications = (options: {
  readonly channel: string
  readonly settings: ConnectionSettings
  readonly connect: (onNotify: (channel: string, payload: string) => void) => Connection
  readonly discard: (connection: Connection) => Effect.Effect<void>
}): Stream.Stream<Notification> =>
  Stream.callback<Notification>(
    (queue) => {
      const onNotify = (_channel: string, payload: string) =>
        void Queue.offerUnsafe(queue, { _tag: "Notified", payload })
      const listen = `listen "${options.channel.replaceAll('"', '""')}"`

      const session = Effect.acquireUseRelease(
        Effect.sync(() => options.connect(onNotify)),
        (connection) =>
          run(connection, connection.sql.unsafe(listen), options.settings.statementTimeout).pipe(
            Effect.andThen(Queue.offer(queue, { _tag: "Listening" })),
            Effect.andThen(Effect.raceFirst(gone(connection), answering(connection)))
          ),
        options.discard
      )

      return session.pipe(
        Effect.catch((error) => Effect.succeed(error.message)),
        Effect.tap((problem) =>
          Effect.logWarning("cannot hear PostgreSQL, connecting again", { channel: options.channel, problem })
        ),
        Effect.andThen(Effect.sleep("500 millis")),
        Effect.forever
      )
    },
    { bufferSize: 256, strategy: "sliding" }
  )

const gone = (connection: Connection) =>
  Effect.as(
    Effect.promise(() => connection.closed),
    "the connection was closed"
  )

/** A connection that a router forgot looks like one on which nothing happens. */
const answering = (connection: Connection) =>
  Effect.suspend(() => run(connection, connection.sql`select 1`, probeLimit)).pipe(
    Effect.delay("15 seconds"),
    Effect.forever
  )

const probeLimit = Duration.seconds(5)

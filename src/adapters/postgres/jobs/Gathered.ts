/** Callers that come together are answered together. */
import { type Array as Arr, Effect, type Request, RequestResolver, Semaphore } from "effect"

/**
 * A resolver for requests of many callers: PostgreSQL works less for one statement than for many. Who comes while
 * `atOnce` statements are under way is gathered for the next. Of one `key` each.
 */
export const gathered = <A extends Request.Any>(
  answer: (entries: Arr.NonEmptyReadonlyArray<Request.Entry<A>>) => Effect.Effect<void, Request.Error<A>>,
  options: { readonly atOnce: number; readonly key?: (request: A) => string }
) =>
  Effect.map(Semaphore.make(options.atOnce), (turn) =>
    RequestResolver.makeGrouped<A, string>({
      key: ({ request }) => options.key?.(request) ?? "",
      resolver: (entries) => turn.withPermit(answer(entries))
    }).pipe(RequestResolver.setDelayEffect(Effect.andThen(turn.withPermit(Effect.void), Effect.yieldNow)))
  )

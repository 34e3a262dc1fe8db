/**
 * The right to work on an attempt until a time, named by a random id. The database's clock decides when it ends; a
 * worker only knows for how long it was granted, and counts that on its own monotonic clock.
 */
import { Schema } from "effect"

/** Seconds. Long enough for a restart of the API, short enough that a dead worker's task is soon taken over. */
export const LeaseSeconds = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 5, maximum: 24 * 3600 })))

export const defaultLeaseSeconds = 90

/** Three tries fit into a lease, so that one lost answer costs nothing. */
export const renewEverySeconds = (leaseSeconds: number): number => leaseSeconds / 3

/**
 * Seconds after the last granted renewal was asked for at which a worker must stop by itself: before anybody else can
 * be given the task, whatever the network does.
 */
export const fencedAfterSeconds = (leaseSeconds: number): number => leaseSeconds * 0.9

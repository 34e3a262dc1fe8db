/** Which backups are kept. A pure function of the history, so that it can be tried on every history. */

export interface KnownBackup {
  readonly name: string
  /** By the manifest, never by the file system: copying a folder resets that. */
  readonly takenAt: Date
  readonly good: boolean
}

export interface RetentionPolicy {
  readonly days: number
  /** The newest good ones stay, whatever their age: when backups fail for weeks, these are all there is. */
  readonly atLeast: number
}

export const defaultPolicy: RetentionPolicy = { days: 7, atLeast: 3 }

export interface RetentionDecision<A> {
  readonly keep: ReadonlyArray<A>
  readonly remove: ReadonlyArray<{ readonly backup: A; readonly why: "failed" | "expired" }>
}

const dayMillis = 24 * 60 * 60 * 1000

export const retention = <A extends KnownBackup>(
  history: ReadonlyArray<A>,
  policy: RetentionPolicy,
  now: Date
): RetentionDecision<A> => {
  const limit = now.getTime() - policy.days * dayMillis
  const good = history.filter((backup) => backup.good).toSorted((a, b) => b.takenAt.getTime() - a.takenAt.getTime())
  const kept = new Set(good.filter((backup, index) => index < policy.atLeast || backup.takenAt.getTime() >= limit))
  return {
    keep: history.filter((backup) => kept.has(backup)),
    remove: history
      .filter((backup) => !kept.has(backup))
      .map((backup) => ({ backup, why: backup.good ? "expired" : "failed" }))
  }
}

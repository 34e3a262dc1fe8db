/** One try at a task by one worker, as it is remembered. */
import { Schema } from "effect"
import { LeaseId, TaskId, WorkerId } from "../ids.ts"

export const AttemptOutcome = Schema.Literals(["done", "failed", "released", "expired", "cancelled"])

export const Attempt = Schema.Struct({
  leaseId: LeaseId,
  taskId: TaskId,
  attempt: Schema.Int,
  worker: Schema.NullOr(WorkerId),
  workerName: Schema.NullOr(Schema.String),
  claimedAt: Schema.Date,
  endedAt: Schema.NullOr(Schema.Date),
  outcome: Schema.NullOr(AttemptOutcome),
  error: Schema.NullOr(Schema.String),
  /** The last lines that ffmpeg wrote. */
  stderr: Schema.NullOr(Schema.String),
  /** What the worker said of its work. */
  notes: Schema.Array(Schema.String)
})
export interface Attempt extends Schema.Schema.Type<typeof Attempt> {}

/** What a worker tells people of its attempt, however it ended. */
export interface Account {
  readonly stderr: string | null
  readonly notes: ReadonlyArray<string>
}

export const nothingTold: Account = { stderr: null, notes: [] }

const mostStderr = 8192
const mostNotes = 20
const mostNote = 300

/** Escape sequences of terminals, and control characters other than those that lay out a text. */
// oxlint-disable-next-line no-control-regex
const unprintable = /\u001b\[[0-9;?]*[ -/]*[@-~]|[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g

/** Text from outside, as it may be stored and shown in a terminal. */
export const printable = (text: string): string => text.replace(/\r\n?/g, "\n").replace(unprintable, "").toWellFormed()

/** Within what is kept: of a log its end, where the reason is. */
export const bounded = (account: Account): Account => ({
  stderr: account.stderr === null ? null : printable(account.stderr).slice(-mostStderr).toWellFormed(),
  notes: account.notes.slice(0, mostNotes).map((note) => printable(note).slice(0, mostNote).toWellFormed())
})

/** Shows how far the bytes of a file are: a bar that stays in place on a terminal, a line now and then elsewhere. */
import { Clock, Effect } from "effect"
import { bar, barWidth, clock } from "./Bar.ts"

interface Output {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1)

interface State {
  readonly name: string
  readonly sent: number
  /** What had gone before this run. */
  readonly before: number
  readonly total: number
  readonly seconds: number
}

const pace = ({ before, seconds, sent, total }: State) => {
  const rate = (sent - before) / Math.max(seconds, 0.001)
  const left = sent < total && rate > 0 ? `  ${clock((total - sent) / rate)} left` : ""
  return `${megabytes(sent)} of ${megabytes(total)} MB  ${megabytes(rate)} MB/s${left}`
}

const percentOf = ({ sent, total }: State) => Math.floor((sent / total) * 100)

/** Not wider than the terminal, whatever the name is. */
const transferBar = (state: State, columns: number): string =>
  `${bar(percentOf(state), barWidth(columns))} ${String(percentOf(state)).padStart(3)} %  ${pace(state)}  ${state.name}`.slice(
    0,
    columns - 1
  )

const transferLine = (state: State): string => `${state.name}: ${percentOf(state)} %  ${pace(state)}`

const quietMillis = { terminal: 100, log: 5000 }

/** Each call says how many bytes have gone by now, and how many of them in an earlier run. */
export const makeTransfer = Effect.fnUntraced(function* (
  output: Output,
  file: { readonly name: string; readonly total: number }
) {
  const started = yield* Clock.currentTimeMillis
  let shown = started
  return Effect.fnUntraced(function* (sent: number, before = 0) {
    const now = yield* Clock.currentTimeMillis
    const ended = sent >= file.total
    const quiet = output.isTTY === true ? quietMillis.terminal : quietMillis.log
    if (!ended && now - shown < quiet) return
    shown = now
    const state = { ...file, sent, before, seconds: (now - started) / 1000 }
    output.write(
      output.isTTY === true
        ? `\r\u001B[K${transferBar(state, output.columns ?? 80)}${ended ? "\n" : ""}`
        : `${transferLine(state)}\n`
    )
  })
})

/** Whether another machine's clock agrees with ours. */
import { type Finding, ok, warning } from "./Finding.ts"

/** Between its question and its answer the other clock was read; nothing is known of when. */
export interface Reading {
  readonly asked: number
  readonly theirs: number
  readonly answered: number
}

const tolerated = 5000

export const clockFinding = (check: string, whose: string, { answered, asked, theirs }: Reading): Finding => {
  const difference = theirs < asked ? theirs - asked : theirs > answered ? theirs - answered : 0
  const seconds = Math.abs(difference / 1000).toFixed(1)
  if (Math.abs(difference) <= tolerated) return ok(check, `within ${seconds} s of this machine's`)
  return warning(
    check,
    `${whose} clock is ${seconds} s ${difference > 0 ? "ahead of" : "behind"} this machine's`,
    "let both machines follow a time server (chrony, systemd-timesyncd): logs and traces do not fit together"
  )
}

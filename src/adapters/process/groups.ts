/** Process groups, as the kernel tells of them. */
import { readdirSync, readFileSync } from "node:fs"

/** Whether anything of the group that this process leads is still at work. */
export function groupExists(pid: number | undefined): boolean {
  if (pid === undefined) return false
  try {
    process.kill(-pid, 0)
  } catch {
    return false
  }
  return process.platform !== "linux" || readdirSync("/proc").some((entry) => livesInGroup(entry, pid))
}

/** A zombie has ended, however long the init of this machine or container takes to notice (proc_pid_stat(5)). */
function livesInGroup(entry: string, group: number): boolean {
  if (!/^\d+$/.test(entry)) return false
  try {
    const stat = readFileSync(`/proc/${entry}/stat`, "utf8")
    const [state, , pgrp] = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
    return Number(pgrp) === group && state !== "Z" && state !== "X"
  } catch {
    return false
  }
}

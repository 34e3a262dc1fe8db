/** Parts of a line that shows how far something is. */
export const bar = (percent: number, width: number): string => {
  const full = Math.round((percent / 100) * width)
  return `${"█".repeat(full)}${"░".repeat(width - full)}`
}

export const barWidth = (columns: number) => Math.max(10, Math.min(40, columns - 40))

/** `1:05`, `2:00:09`. */
export const clock = (seconds: number): string => {
  const whole = Math.max(0, Math.round(seconds))
  const minutes = Math.floor(whole / 60) % 60
  const hours = Math.floor(whole / 3600)
  const tail = String(whole % 60).padStart(2, "0")
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, "0")}:${tail}` : `${minutes}:${tail}`
}

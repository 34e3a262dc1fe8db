/** Quantities as people read them. */
const units = ["B", "kB", "MB", "GB", "TB"]

export const bytesText = (bytes: number): string => {
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3))
  return `${(bytes / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`
}

/** How old something is. */
export const ageText = (millis: number): string => {
  const hours = millis / 3_600_000
  if (hours < 1) return `${Math.max(0, Math.round(hours * 60))} min`
  return hours < 48 ? `${Math.round(hours)} h` : `${Math.round(hours / 24)} d`
}

/** How long ago something was. */
export const agoText = (millis: number): string =>
  millis < 120_000 ? `${Math.max(0, Math.round(millis / 1000))} s ago` : `${ageText(millis)} ago`

/** By which an upload that was cut short is found again. */
import { createHash } from "node:crypto"
import { open, stat } from "node:fs/promises"
import { basename } from "node:path"

/** What is wanted of a file beside being a video. */
export interface About {
  readonly title?: string
  readonly priority?: number
}

const ends = 1024 * 1024

/** Whatever tells this file from another, or from itself after a change, and what is wanted of it. */
export const fingerprintOf = async (path: string, about: About) => {
  const { mtimeMs, size } = await stat(path)
  const hash = createHash("sha256").update(JSON.stringify([basename(path), size, mtimeMs, about]))
  const file = await open(path)
  try {
    for (const at of [0, Math.max(0, size - ends)]) {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(ends), 0, ends, at)
      hash.update(buffer.subarray(0, bytesRead))
    }
  } finally {
    await file.close()
  }
  return { size, fingerprint: hash.digest("hex") }
}

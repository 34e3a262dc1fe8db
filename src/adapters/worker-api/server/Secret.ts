/** Compares what was shown with a secret, in a time that tells nothing of where they differ. */
import { createHash, timingSafeEqual } from "node:crypto"

const digest = (text: string) => createHash("sha256").update(text).digest()

export const isSecret = (shown: string, secret: string): boolean => timingSafeEqual(digest(shown), digest(secret))

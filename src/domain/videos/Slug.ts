/** The name of a video in addresses: lower-case letters, digits and single hyphens, 1 to 80 characters. */
import { Schema } from "effect"

export const Slug = Schema.String.pipe(
  Schema.check(Schema.isPattern(/^[a-z0-9]+(-[a-z0-9]+)*$/), Schema.isMaxLength(80)),
  Schema.brand("Slug")
)
export type Slug = typeof Slug.Type

/** What a title becomes in an address; `video` where nothing of it survives. */
export const fromTitle = (title: string): Slug => {
  const plain = title
    .normalize("NFKD")
    .replace(/\p{Mark}/gu, "")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .slice(0, 72)
    .replace(/^-+|-+$/g, "")
  return Slug.make(plain === "" ? "video" : plain)
}

/** The n-th choice for a slug that is taken: `cat`, `cat-2`, `cat-3`. */
export const variant = (slug: Slug, n: number): Slug => (n === 1 ? slug : Slug.make(`${slug}-${n}`))

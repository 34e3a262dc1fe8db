/** The files that pages load, and the headers of both. */
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { fileURLToPath } from "node:url"

/** One file served below `/assets`; read once, when the program starts. */
interface Asset {
  readonly path: string
  readonly file: string
  readonly contentType: string
  /** May be cached for ever: pages name it by `assetUrl`, which changes when its bytes do. */
  readonly immutable: boolean
  readonly etag: string
  readonly body: Uint8Array<ArrayBuffer>
}

/**
 * Everything that a page may do: its own files, media through MSE (`blob:`), the icons that Shaka's style sheet
 * carries as `data:`. No inline script or style, nothing from elsewhere.
 */
export const contentSecurityPolicy = [
  "default-src 'self'",
  "media-src 'self' blob:",
  "img-src 'self' data: blob:",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'self'"
].join("; ")

/** Headers of every page. */
export const pageHeaders: Readonly<Record<string, string>> = {
  "content-security-policy": contentSecurityPolicy,
  "content-type": "text/html; charset=utf-8",
  "cache-control": "no-cache",
  "referrer-policy": "same-origin",
  "x-content-type-options": "nosniff"
}

/** Headers of an asset. */
export const assetHeaders = (asset: Asset): Readonly<Record<string, string>> => ({
  "cache-control": asset.immutable ? "public, max-age=31536000, immutable" : "no-cache",
  "content-type": asset.contentType,
  etag: asset.etag,
  "x-content-type-options": "nosniff"
})

const require = createRequire(import.meta.url)
const shaka = (name: string) => require.resolve(`shaka-player/dist/${name}`)
const own = (name: string) => fileURLToPath(new URL(`./assets/${name}`, import.meta.url))

const asset = (path: string, file: string, contentType: string, rewrite?: (text: string) => string): Asset => {
  const bytes = readFileSync(file)
  const body = new Uint8Array(rewrite === undefined ? bytes : Buffer.from(rewrite(bytes.toString("utf8"))))
  const etag = `"${createHash("sha256").update(body).digest("base64url").slice(0, 16)}"`
  return { path, file, contentType, immutable: true, etag, body }
}

// Source maps are not served, so a browser's developer tools should not ask for them.
const withoutSourceMap = (text: string): string => text.replace(/\n?\/[/*]# sourceMappingURL=[^\n]*\n?$/, "\n")

// Shaka's style sheet fetches Roboto from Google; vlog.css sets the font of the controls instead.
const withoutWebFonts = (text: string): string => text.replace(/@font-face\s*\{[^}]*\}/g, "")

const javascript = "text/javascript; charset=utf-8"
const css = "text/css; charset=utf-8"

export const assets: ReadonlyArray<Asset> = [
  asset("/assets/shaka/shaka-player.ui.js", shaka("shaka-player.ui-es2021.js"), javascript, withoutSourceMap),
  asset("/assets/shaka/controls.css", shaka("controls.modern.css"), css, (text) =>
    withoutWebFonts(withoutSourceMap(text))
  ),
  asset("/assets/vlog.css", own("vlog.css"), css),
  asset("/assets/page.js", own("page.js"), javascript),
  asset("/assets/watch.js", own("watch.js"), javascript),
  asset("/assets/icon.svg", own("icon.svg"), "image/svg+xml")
]

const assetsByPath = new Map(assets.map((entry) => [entry.path, entry]))

/** The asset at a request's path (without its query). */
export const findAsset = (path: string): Asset | undefined => assetsByPath.get(path)

/** How a page names an asset: the query changes with the content, so that a new version is fetched at once. */
export const assetUrl = (path: string): string => {
  const found = assetsByPath.get(path)
  if (found === undefined) throw new Error(`no asset at ${path}`)
  return `${path}?v=${found.etag.slice(1, -1)}`
}

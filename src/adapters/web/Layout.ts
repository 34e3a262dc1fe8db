/** The frame around every page. */
import { assetUrl } from "./assets.ts"
import { html, type Html, type HtmlValue } from "./Html.ts"

/**
 * `refreshSeconds` only serves browsers without scripts; with them `page.js` replaces the part marked `data-refresh` and
 * leaves scroll position and focus alone.
 */
export const layout = (options: {
  readonly title: string
  readonly here: "list" | "watch" | "none"
  readonly head?: HtmlValue
  readonly refreshSeconds?: number | null
  readonly main: Html
}): string =>
  html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${options.title}</title>
        <link rel="icon" href="${assetUrl("/assets/icon.svg")}" type="image/svg+xml" />
        <link rel="stylesheet" href="${assetUrl("/assets/vlog.css")}" />
        <script src="${assetUrl("/assets/page.js")}" defer></script>
        ${options.head}
        ${
          options.refreshSeconds
            ? html`<noscript><meta http-equiv="refresh" content="${options.refreshSeconds}" /></noscript>`
            : null
        }
      </head>
      <body>
        <a class="skip" href="#main">Skip to content</a>
        <header class="site">
          <a class="brand" href="/" ${options.here === "list" ? html`aria-current="page"` : null}>
            <img src="${assetUrl("/assets/icon.svg")}" alt="" width="28" height="28" />vlog
          </a>
          ${options.here === "list" ? null : html`<nav aria-label="Site"><a href="/">All videos</a></nav>`}
        </header>
        <main id="main" class="${options.here}">${options.main}</main>
      </body>
    </html> `.text

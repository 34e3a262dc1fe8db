/** The page for an address that leads nowhere. */
import { html } from "./Html.ts"
import { layout } from "./Layout.ts"

export const notFoundPage = (view: { readonly path: string }): string =>
  layout({
    title: "Not found · vlog",
    here: "none",
    main: html`<section class="card notice">
      <h1>Nothing here</h1>
      <p>There is no page at <code>${view.path}</code>. The video may have been removed, or the address mistyped.</p>
      <p><a class="button" href="/">See all videos</a></p>
    </section>`
  })

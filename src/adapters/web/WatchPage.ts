/** The page of one video: its player, what was made of it, and how its job goes on. */
import * as Format from "./Format.ts"
import { html, type Html, type HtmlValue } from "./Html.ts"
import { layout } from "./Layout.ts"
import { keyboard, player, playerHead } from "./Player.ts"
import { stateLabel } from "./State.ts"
import type { WatchJob, WatchOutput, WatchView } from "./WatchView.ts"

/** The page at `/watch/{slug}`. */
export const watchPage = (view: WatchView): string =>
  layout({
    title: `${view.title} · vlog`,
    here: "watch",
    head: view.output === null ? null : playerHead(view.output),
    refreshSeconds: isMoving(view) ? 10 : null,
    main: html`${view.output === null ? null : player(view, view.output)}
      <header class="title">
        <h1>${view.title}</h1>
        <p class="meta muted">${headline(view).map((part) => html`<span>${part}</span>`)}</p>
      </header>
      <div id="live" ${isMoving(view) ? html`data-refresh="2"` : null}>
        ${view.output === null ? pending(view) : newerJob(view.job)}
      </div>
      ${view.output === null ? null : elsewhere(view.output)} ${facts(view)}
      ${view.output === null ? null : renditions(view.output)} ${view.output === null ? null : keyboard}`
  })

const isMoving = (view: WatchView): boolean =>
  view.job === null ? view.output === null : view.job.state === "waiting" || view.job.state === "transcoding"

const pending = (view: WatchView): Html => {
  const job = view.job ?? { state: "waiting" }
  switch (job.state) {
    case "waiting":
      return html`<section class="card notice">
        ${stateLabel("waiting")}
        <h2>In the queue</h2>
        <p class="muted">A worker takes this video as soon as one is free. This page shows it then.</p>
      </section>`
    case "transcoding":
      return html`<section class="card notice">
        ${stateLabel("transcoding")}
        <h2>${Format.percent(job.percent)} per cent done</h2>
        ${progressBar(job.percent)}
        <p class="muted">
          ${job.secondsLeft === null ? "" : `${capital(Format.roughly(job.secondsLeft))} left. `}The player appears here
          when the video is published.
        </p>
      </section>`
    case "failed":
      return html`<section class="card notice">
        ${stateLabel("failed")}
        <h2>This video could not be transcoded</h2>
        <pre class="reason">${job.reason}</pre>
      </section>`
    case "cancelled":
      return html`<section class="card notice">
        ${stateLabel("cancelled")}
        <h2>The job was cancelled</h2>
        <p class="muted">Nothing was published. Start a new job to publish this video.</p>
      </section>`
  }
}

const newerJob = (job: WatchJob | null): HtmlValue => {
  if (job === null || job.state === "cancelled") return null
  switch (job.state) {
    case "waiting":
      return html`<p class="banner">
        ${stateLabel("waiting")} A new version is in the queue; what plays here stays until it is ready.
      </p>`
    case "transcoding":
      return html`<div class="banner">
        ${stateLabel("transcoding")} A new version is ${Format.percent(job.percent)} per cent done; what plays here
        stays until it is ready. ${progressBar(job.percent)}
      </div>`
    case "failed":
      return html`<div class="banner">
        ${stateLabel("failed")} A new version could not be made; the earlier one still plays.
        <pre class="reason">${job.reason}</pre>
      </div>`
  }
}

const progressBar = (percent: number): Html =>
  html`<progress max="100" value="${Format.percent(percent)}" aria-label="Transcoding">
    ${Format.percent(percent)} %
  </progress>`

const headline = (view: WatchView): ReadonlyArray<Html | string> => [
  view.output === null
    ? html`Uploaded ${Format.time(view.createdAt)}`
    : html`Published ${Format.time(view.output.publishedAt)}`,
  ...(view.source.durationSeconds === null ? [] : [Format.duration(view.source.durationSeconds)]),
  ...(view.source.width === null || view.source.height === null
    ? []
    : [Format.size(view.source.width, view.source.height)])
]

const elsewhere = (output: WatchOutput): Html =>
  html`<section aria-labelledby="elsewhere">
    <h2 id="elsewhere">Play it elsewhere</h2>
    <div class="addresses">
      ${address("HLS", "hls-address", output.masterUrl)}
      ${output.dashUrl === null ? null : address("DASH", "dash-address", output.dashUrl)}
    </div>
  </section>`

const address = (label: string, id: string, url: string): Html =>
  html`<div class="address">
    <label for="${id}">${label}</label>
    <input id="${id}" data-address readonly value="${url}" spellcheck="false" />
    <button type="button" class="button" data-copy="${id}" aria-label="Copy the ${label} address">Copy</button>
  </div>`

const facts = ({ createdAt, output, source }: WatchView): Html =>
  html`<section aria-labelledby="facts">
    <h2 id="facts">Source</h2>
    <dl class="facts">
      ${fact("Duration", source.durationSeconds === null ? null : Format.duration(source.durationSeconds))}
      ${fact(
        "Resolution",
        source.width === null || source.height === null ? null : Format.size(source.width, source.height)
      )}
      ${fact("Size", Format.bytes(source.bytes))} ${fact("Uploaded", output === null ? null : Format.time(createdAt))}
    </dl>
  </section>`

const fact = (name: string, value: Html | string | null): HtmlValue =>
  value === null
    ? null
    : html`<div>
        <dt>${name}</dt>
        <dd>${value}</dd>
      </div>`

const renditions = (output: WatchOutput): Html =>
  html`<section aria-labelledby="renditions">
    <h2 id="renditions">Renditions</h2>
    <div class="card table-card">
      <table class="stacks">
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col">Codec</th>
            <th scope="col" class="number">Size</th>
            <th scope="col" class="number">Frame rate</th>
            <th scope="col" class="number">Average</th>
            <th scope="col" class="number">Peak</th>
            <th scope="col" class="number">Segments</th>
          </tr>
        </thead>
        <tbody>
          ${output.renditions.map(
            (rendition) =>
              html`<tr>
                <th scope="row">${rendition.name}</th>
                ${cell("Codec", html`<code>${rendition.codec}</code>`)}
                ${numberCell(
                  "Size",
                  rendition.width === null || rendition.height === null
                    ? null
                    : Format.size(rendition.width, rendition.height)
                )}
                ${numberCell("Frame rate", rendition.frameRate === null ? null : Format.frameRate(rendition.frameRate))}
                ${numberCell(
                  "Average",
                  rendition.averageBitRate === null ? null : Format.bitRate(rendition.averageBitRate)
                )}
                ${numberCell("Peak", rendition.peakBitRate === null ? null : Format.bitRate(rendition.peakBitRate))}
                ${numberCell("Segments", String(rendition.segments))}
              </tr>`
          )}
        </tbody>
      </table>
    </div>
  </section>`

const cell = (label: string, value: HtmlValue): Html => html`<td data-label="${label}">${value}</td>`

const numberCell = (label: string, value: string | null): Html =>
  html`<td class="number" data-label="${label}">${value ?? html`<span class="muted">–</span>`}</td>`

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)

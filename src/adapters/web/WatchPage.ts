/** The page of one video: its player, what was made of it, and how its job goes on. */
import { assetUrl } from "./assets.ts"
import * as Format from "./Format.ts"
import { html, type Html, type HtmlValue } from "./Html.ts"
import { layout } from "./Layout.ts"
import { stateLabel } from "./State.ts"

export interface WatchView {
  readonly slug: string
  readonly title: string
  readonly createdAt: Date
  readonly source: WatchSource | null
  /** What viewers see now; it stays while a newer output is being made. */
  readonly output: WatchOutput | null
  /** The latest job that has not been published; null when there is nothing to report. */
  readonly job: WatchJob | null
}

/** What the probe found, as far as it is known yet. */
interface WatchSource {
  readonly durationSeconds: number | null
  readonly width: number | null
  readonly height: number | null
  readonly frameRate: number | null
  readonly videoCodec: string | null
  readonly audioCodec: string | null
  readonly bytes: number | null
}

export interface WatchOutput {
  readonly publishedAt: Date
  /** What the player here loads. */
  readonly manifestUrl: string
  /** HLS. */
  readonly masterUrl: string
  /** Null where renditions hold their own sound: HLS serves these better. */
  readonly dashUrl: string | null
  readonly posterUrl: string | null
  /** From the largest to the smallest, then audio, as they should be read. */
  readonly renditions: ReadonlyArray<WatchRendition>
}

interface WatchRendition {
  readonly name: string
  /** As in the playlist: `avc1.640028`. */
  readonly codec: string
  /** Null for audio. */
  readonly width: number | null
  readonly height: number | null
  readonly frameRate: number | null
  /** Bits per second. */
  readonly averageBitRate: number | null
  readonly peakBitRate: number | null
  readonly segments: number
}

export type WatchJob =
  | { readonly state: "waiting" }
  | { readonly state: "transcoding"; readonly percent: number; readonly secondsLeft: number | null }
  | { readonly state: "failed"; readonly reason: string }
  | { readonly state: "cancelled" }

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
      ${view.output === null ? null : elsewhere(view.output)} ${view.source === null ? null : facts(view, view.source)}
      ${view.output === null ? null : renditions(view.output)} ${view.output === null ? null : keyboard}`
  })

const isMoving = (view: WatchView): boolean =>
  view.job === null ? view.output === null : view.job.state === "waiting" || view.job.state === "transcoding"

const playerHead = (output: WatchOutput): Html =>
  html`<link rel="stylesheet" href="${assetUrl("/assets/shaka/controls.css")}" />
    <link rel="preload" href="${output.manifestUrl}" as="fetch" crossorigin="anonymous" />
    <script src="${assetUrl("/assets/shaka/shaka-player.ui.js")}" defer></script>
    <script src="${assetUrl("/assets/watch.js")}" defer></script>`

// Width and height keep the place of the picture free before its first byte has come.
const player = (view: WatchView, output: WatchOutput): Html =>
  html`<div class="stage">
    <div
      id="player"
      data-state="loading"
      data-manifest="${output.manifestUrl}"
      data-master="${output.masterUrl}"
      data-title="${view.title}"
    >
      <video
        id="video"
        width="${view.source?.width ?? 1920}"
        height="${view.source?.height ?? 1080}"
        preload="metadata"
        playsinline
        ${output.posterUrl === null ? null : html`poster="${output.posterUrl}"`}
        aria-label="${view.title}"
      ></video>
    </div>
    <div id="player-error" class="player-error" role="alert" hidden>
      <p></p>
      <button type="button" class="button">Try again</button>
      <small></small>
    </div>
    <noscript>
      <p class="player-error">
        The player needs JavaScript. Without it, open <a href="${output.masterUrl}">the playlist</a> in a player such as
        VLC or mpv.
      </p>
    </noscript>
  </div>`

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
  ...(view.source?.durationSeconds == null ? [] : [Format.duration(view.source.durationSeconds)]),
  ...(view.source?.width == null || view.source.height == null
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

const facts = (view: WatchView, source: WatchSource): Html =>
  html`<section aria-labelledby="facts">
    <h2 id="facts">Source</h2>
    <dl class="facts">
      ${fact("Duration", source.durationSeconds === null ? null : Format.duration(source.durationSeconds))}
      ${fact(
        "Resolution",
        source.width === null || source.height === null ? null : Format.size(source.width, source.height)
      )}
      ${fact("Frame rate", source.frameRate === null ? null : Format.frameRate(source.frameRate))}
      ${fact("Video codec", source.videoCodec)} ${fact("Audio codec", source.audioCodec)}
      ${fact("Size", source.bytes === null ? null : Format.bytes(source.bytes))}
      ${fact("Uploaded", view.output === null ? null : Format.time(view.createdAt))}
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

const keyboard = html`<details class="keyboard">
  <summary>Keyboard</summary>
  <ul>
    <li><kbd>Space</kbd> or <kbd>k</kbd> play and pause</li>
    <li><kbd>←</kbd> <kbd>→</kbd> 5 seconds back and forward</li>
    <li><kbd>j</kbd> <kbd>l</kbd> 10 seconds back and forward</li>
    <li><kbd>0</kbd> … <kbd>9</kbd> jump to tenths of the video</li>
    <li><kbd>,</kbd> <kbd>.</kbd> one frame back and forward</li>
    <li><kbd>&lt;</kbd> <kbd>&gt;</kbd> slower and faster</li>
    <li><kbd>m</kbd> mute</li>
    <li><kbd>f</kbd> full screen</li>
    <li><kbd>p</kbd> picture in picture</li>
  </ul>
</details>`

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)

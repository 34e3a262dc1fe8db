/** The page of all videos and of the latest jobs. */
import * as Format from "./Format.ts"
import { html, type Html, type HtmlValue } from "./Html.ts"
import { layout } from "./Layout.ts"
import { stateLabel, type ShownState } from "./State.ts"

export interface ListView {
  /** Where people upload, as in `http://localhost:9002`; shown in the example. */
  readonly address: string
  /** Newest first. */
  readonly videos: ReadonlyArray<VideoRow>
  /** Newest first. */
  readonly jobs: ReadonlyArray<JobRow>
}

interface VideoRow {
  readonly slug: string
  readonly title: string
  readonly state: ShownState
  readonly durationSeconds: number | null
  /** The largest published rendition: `1080p`. */
  readonly bestResolution: string | null
  readonly createdAt: Date
  readonly posterUrl: string | null
}

interface JobRow {
  readonly id: string
  readonly videoSlug: string
  readonly videoTitle: string
  readonly state: ShownState
  readonly percent: number | null
  readonly attempt: number
  readonly workerName: string | null
  readonly lastError: string | null
}

/** The page at `/`. */
export const listPage = (view: ListView): string => {
  const moving = view.jobs.some((job) => job.state === "waiting" || job.state === "transcoding")
  return layout({
    title: "vlog",
    here: "list",
    refreshSeconds: moving ? 10 : null,
    main: html`<div id="live" ${moving ? html`data-refresh="2"` : null}>
        ${
          view.videos.length === 0 && view.jobs.length === 0
            ? empty(view.address)
            : html`${videos(view.videos)} ${view.jobs.length === 0 ? null : jobs(view.jobs)}`
        }
      </div>
      ${
        view.videos.length === 0 && view.jobs.length === 0
          ? null
          : html`<details class="upload">
              <summary>Upload a video</summary>
              ${howToUpload(view.address)}
            </details>`
      }`
  })
}

const empty = (address: string): Html =>
  html`<section class="card notice empty">
    <h1>No videos yet</h1>
    <p class="muted">Upload one: it is transcoded by the next free worker and can be watched here.</p>
    ${howToUpload(address)}
  </section>`

const howToUpload = (address: string): Html =>
  html`<div class="how">
    <p>From where vlog is installed:</p>
    ${command("how-start", "npm start -- my-video.mp4")}
    <p>From anywhere else, with the admin secret of this server:</p>
    ${command(
      "how-curl",
      `curl -T my-video.mp4 -X POST -H "X-Admin-Secret: ..." "${address}/api/videos?filename=my-video.mp4"`
    )}
  </div>`

const command = (id: string, text: string): Html =>
  html`<div class="command">
    <pre id="${id}">${text}</pre>
    <button type="button" class="button" data-copy="${id}" aria-label="Copy this command">Copy</button>
  </div>`

const videos = (rows: ReadonlyArray<VideoRow>): Html =>
  html`<section aria-labelledby="videos">
    <h1 id="videos">Videos <span class="count">${rows.length}</span></h1>
    ${
      rows.length === 0
        ? html`<p class="muted">No video is kept any more.</p>`
        : html`<ul class="videos card">
            ${rows.map(videoRow)}
          </ul>`
    }
  </section>`

const videoRow = (row: VideoRow): Html =>
  html`<li>
    <a class="thumb" href="${watchUrl(row.slug)}" tabindex="-1" aria-hidden="true">
      ${row.posterUrl === null ? null : html`<img src="${row.posterUrl}" alt="" loading="lazy" />`}
    </a>
    <div>
      <h2><a href="${watchUrl(row.slug)}">${row.title}</a></h2>
      <p class="meta muted">
        ${row.durationSeconds === null ? null : html`<span>${Format.duration(row.durationSeconds)}</span>`}
        ${row.bestResolution === null ? null : html`<span>${row.bestResolution}</span>`} ${Format.time(row.createdAt)}
      </p>
    </div>
    ${stateLabel(row.state)}
  </li>`

const jobs = (rows: ReadonlyArray<JobRow>): Html =>
  html`<section aria-labelledby="jobs">
    <h2 id="jobs">Jobs <span class="count">${rows.length}</span></h2>
    <div class="card table-card">
      <table class="stacks jobs">
        <thead>
          <tr>
            <th scope="col">Video</th>
            <th scope="col">Job</th>
            <th scope="col">State</th>
            <th scope="col">Progress</th>
            <th scope="col" class="number">Attempt</th>
            <th scope="col">Worker</th>
          </tr>
        </thead>
        <tbody>
          ${rows.map(jobRow)}
        </tbody>
      </table>
    </div>
  </section>`

const jobRow = (row: JobRow): Html =>
  html`<tr>
      <th scope="row"><a href="${watchUrl(row.videoSlug)}">${row.videoTitle}</a></th>
      <td data-label="Job"><code title="${row.id}">${shortId(row.id)}</code></td>
      <td data-label="State">${stateLabel(row.state)}</td>
      <td data-label="Progress">${progress(row)}</td>
      <td data-label="Attempt" class="number">${row.attempt}</td>
      <td data-label="Worker">${row.workerName ?? html`<span class="muted">–</span>`}</td>
    </tr>
    ${
      row.lastError === null
        ? null
        : html`<tr class="error">
            <td colspan="6">
              <p class="muted">Last error</p>
              <pre class="reason">${row.lastError}</pre>
            </td>
          </tr>`
    }`

const progress = (row: JobRow): HtmlValue =>
  row.percent === null
    ? html`<span class="muted">–</span>`
    : html`<span class="progress">
        <progress
          max="100"
          value="${Format.percent(row.percent)}"
          aria-label="Progress of ${row.videoTitle}"
        ></progress>
        ${Format.percent(row.percent)} %
      </span>`

// The end of a uuid tells jobs apart; its beginning may be a time that they share. The whole of it is in the title.
const shortId = (id: string): string => (/^[0-9a-f]{8}-/.test(id) ? id.slice(-8) : id)

const watchUrl = (slug: string): string => `/watch/${encodeURIComponent(slug)}`

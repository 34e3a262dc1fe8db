/** The player of what is published, which `assets/watch.js` brings to life. */
import { assetUrl } from "./assets.ts"
import { html, type Html } from "./Html.ts"
import type { WatchOutput, WatchView } from "./WatchView.ts"

export const playerHead = (output: WatchOutput): Html =>
  html`<link rel="stylesheet" href="${assetUrl("/assets/shaka/controls.css")}" />
    <link rel="preload" href="${output.manifestUrl}" as="fetch" crossorigin="anonymous" />
    <script src="${assetUrl("/assets/shaka/shaka-player.ui.js")}" defer></script>
    <script src="${assetUrl("/assets/watch.js")}" defer></script>`

// Width and height keep the place of the picture free before its first byte has come.
export const player = (view: WatchView, output: WatchOutput): Html =>
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
        width="${view.source.width ?? 1920}"
        height="${view.source.height ?? 1080}"
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

export const keyboard = html`<details class="keyboard">
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

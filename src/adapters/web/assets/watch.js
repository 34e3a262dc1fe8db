// The player: Shaka with its own controls, DASH where MediaSource exists, else the browser's own HLS.
// #player carries data-state (loading, ready, playing, paused, buffering, ended, error) and data-error.

const container = document.getElementById("player")
const video = document.getElementById("video")
const errorBox = document.getElementById("player-error")

const setState = (state) => {
  if (container.dataset.state !== "error") container.dataset.state = state
}

const showError = (message, detail) => {
  container.dataset.state = "error"
  container.dataset.error = message
  errorBox.querySelector("p").textContent = message
  errorBox.querySelector("small").textContent = detail
  errorBox.hidden = false
}

video.addEventListener("playing", () => setState("playing"))
video.addEventListener("pause", () => setState(video.ended ? "ended" : "paused"))
video.addEventListener("ended", () => setState("ended"))
video.addEventListener("waiting", () => setState("buffering"))
errorBox.querySelector("button").addEventListener("click", () => location.reload())

const explain = (error) => {
  const codes = window.shaka.util.Error.Code
  const fileOf = (uri) => decodeURIComponent(String(uri).split("/").slice(-2).join("/"))
  switch (error.code) {
    case codes.BAD_HTTP_STATUS:
      return error.data[1] === 404
        ? `A file of this video is missing on the server: ${fileOf(error.data[0])}.`
        : `The server answered ${error.data[1]} for ${fileOf(error.data[0])}.`
    case codes.HTTP_ERROR:
    case codes.TIMEOUT:
      return "The server cannot be reached. Check the connection, then try again."
    case codes.CONTENT_UNSUPPORTED_BY_BROWSER:
    case codes.RESTRICTIONS_CANNOT_BE_MET:
    case codes.BROWSER_NOT_SUPPORTED:
      return "This browser cannot decode this video. Another browser or a player such as VLC may."
    case codes.VIDEO_ERROR:
    case codes.MEDIA_SOURCE_OPERATION_FAILED:
    case codes.MEDIA_SOURCE_OPERATION_THREW:
      return "The browser stopped decoding this video."
    default:
      return error.category === window.shaka.util.Error.Category.MANIFEST
        ? "The description of this video (its manifest) cannot be read."
        : "This video cannot be played."
  }
}

const onPlayerError = (error) => {
  if (error.severity === window.shaka.util.Error.Severity.RECOVERABLE) return
  // The first datum names the file or the codec; later ones may be a whole answer of the server.
  const subject = typeof error.data?.[0] === "string" ? error.data[0].slice(0, 160) : ""
  showError(explain(error), `Shaka Player error ${error.code} ${subject}`.trim())
}

// `#t=90` starts there, as in media fragments.
const startTime = () => {
  const match = /^#t=(\d+(?:\.\d+)?)$/.exec(location.hash)
  return match === null ? null : Number(match[1])
}

// Keys of Shaka work in the whole page, but never where they already have a meaning: on a link, a button, a field.
const keepKeysOutside = () => {
  document.addEventListener("keydown", (event) => {
    const focused = event.target.closest?.("a, button, input, select, textarea, summary, [tabindex]")
    if (event.altKey || (focused != null && !container.contains(focused))) event.stopPropagation()
  })
}

const controls = (player) => {
  const ui = new window.shaka.ui.Overlay(player, container, video)
  const phone = ui.isMobile()
  ui.configure({
    controlPanelElements: phone
      ? ["mute", "time_and_duration", "spacer", "quality", "overflow_menu", "fullscreen"]
      : ["play_pause", "mute_volume", "time_and_duration", "spacer", "quality", "overflow_menu", "fullscreen"],
    overflowMenuButtons: ["language", "playback_rate", "picture_in_picture"],
    topControlPanelElements: [],
    customContextMenu: false,
    playbackRates: [0.5, 0.75, 1, 1.25, 1.5, 2],
    enableKeyboardPlaybackControlsInWindow: true,
    keyboardLargeSeekDistance: 10,
    // Empty: these keys scroll the page, and a screenshot under one key surprises people.
    shortcuts: { large_rewind: "j", large_fast_forward: "l", home: "", end: "", take_screenshot: "" },
    castSenderUrl: "",
    // Its window gets style sheets as inline text, which the Content-Security-Policy refuses.
    documentPictureInPicture: { enabled: false },
    seekBarColors: { base: "rgba(255,255,255,.28)", buffered: "rgba(255,255,255,.5)", played: "#ff7a3c" },
    volumeBarColors: { base: "rgba(255,255,255,.4)", level: "#fff" }
  })
  keepKeysOutside()
  return ui
}

const playNatively = () => {
  if (video.canPlayType("application/vnd.apple.mpegurl") === "") {
    showError(
      "This browser cannot play this video. Another browser, or a player such as VLC, can.",
      "No MediaSource, no HLS."
    )
    return
  }
  video.controls = true
  video.src = container.dataset.master
  video.addEventListener("loadedmetadata", () => setState("ready"), { once: true })
  video.addEventListener("error", () =>
    showError("The browser stopped playing this video.", video.error?.message ?? `Media error ${video.error?.code}`)
  )
}

const start = async () => {
  const shaka = window.shaka
  shaka?.polyfill.installAll()
  if (shaka === undefined || !shaka.Player.isBrowserSupported()) return playNatively()

  const hasMediaSource = "MediaSource" in window || "ManagedMediaSource" in window
  const player = new shaka.Player()
  window.vlogPlayer = player
  window.vlogControls = controls(player)
  player.addEventListener("error", (event) => onPlayerError(event.detail))
  player.configure({ streaming: { bufferingGoal: 30, rebufferingGoal: 1 }, abr: { restrictToElementSize: false } })
  try {
    await player.attach(video)
    await player.load(hasMediaSource ? container.dataset.manifest : container.dataset.master, startTime())
    setState("ready")
  } catch (error) {
    if (typeof error.code === "number") onPlayerError(error)
    else showError("The player could not start.", String(error))
  }
}

void start()

// Times in the reader's zone, addresses as a whole, copy buttons, and parts of the page that follow their jobs.

const times = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" })

const localise = (root) => {
  for (const element of root.querySelectorAll("time[datetime]")) {
    element.textContent = times.format(new Date(element.dateTime))
  }
  for (const input of root.querySelectorAll("input[data-address]")) {
    input.value = new URL(input.getAttribute("value"), location.href).href
  }
}

const copy = async (source) => {
  const text = "value" in source ? source.value : source.textContent
  // The clipboard interface is missing on plain http, which is how most people at home reach this page.
  if (navigator.clipboard !== undefined) return navigator.clipboard.writeText(text)
  getSelection().selectAllChildren(source)
  if ("select" in source) source.select()
  document.execCommand("copy")
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]")
  if (button === null) return
  const label = "Copy"
  try {
    await copy(document.getElementById(button.dataset.copy))
    button.textContent = "Copied"
  } catch {
    button.textContent = "Press Ctrl+C"
  }
  setTimeout(() => (button.textContent = label), 2000)
})

const refresh = async () => {
  const response = await fetch(location.href, { cache: "no-store" })
  if (!response.ok) return
  const next = new DOMParser().parseFromString(await response.text(), "text/html")
  // A player that has appeared or a new output needs its scripts and addresses: load the page afresh, unless that
  // would interrupt someone who is watching.
  const player = document.getElementById("player")
  const nextPlayer = next.getElementById("player")
  if (player === null && nextPlayer !== null) return location.reload()
  const live = document.getElementById("live")
  const nextLive = next.getElementById("live")
  if (live === null || nextLive === null) return location.reload()
  localise(nextLive)
  if (live.innerHTML !== nextLive.innerHTML || live.dataset.refresh !== nextLive.dataset.refresh) {
    live.replaceWith(document.adoptNode(nextLive))
  }
}

const follow = async () => {
  const seconds = Number(document.getElementById("live")?.dataset.refresh)
  if (!(seconds > 0)) return
  if (!document.hidden) {
    // A server that restarts is no reason to stop.
    await refresh().catch(() => {})
  }
  setTimeout(follow, seconds * 1000)
}

localise(document)
setTimeout(follow, 1000)

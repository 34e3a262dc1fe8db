/** Debian's Chromium, and a page together with everything that it complained about. */
import { chromium, type Browser, type Page } from "playwright-core"
import { expect } from "vitest"

export const launchChromium = (): Promise<Browser> =>
  chromium.launch({
    executablePath: process.env["CHROMIUM_PATH"] ?? "/usr/bin/chromium",
    args: [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      // Nobody clicks here.
      "--autoplay-policy=no-user-gesture-required"
    ]
  })

export const visit = async (browser: Browser, address: string) => {
  const page = await browser.newPage({ viewport: { width: 1000, height: 800 } })
  const complaints: Array<string> = []
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") complaints.push(message.text())
  })
  page.on("pageerror", (error) => complaints.push(error.message))
  page.on("requestfailed", (request) => {
    // A player drops what it asked for when it is told to switch.
    const why = request.failure()?.errorText
    if (why !== "net::ERR_ABORTED") complaints.push(`${request.url()}: ${why}`)
  })
  page.on("response", (response) => {
    if (response.status() >= 400) complaints.push(`${response.url()}: ${response.status()}`)
  })
  await page.goto(address)
  return { page, complaints }
}

/** Asks from the outside, because the policy of our pages forbids evaluating text within. */
export const ask = async <A>(page: Page, expression: string): Promise<A> => (await page.evaluate(expression)) as A

export const becomes = (page: Page, expression: string, wanted: unknown = true) =>
  expect.poll(() => page.evaluate(expression), { timeout: 45_000, interval: 100, message: expression }).toBe(wanted)

/** Plays on from wherever it is: two more seconds pass in the film. */
export const advances = async (page: Page) => {
  const before = await ask<number>(page, `document.querySelector("video").currentTime`)
  await becomes(page, `document.querySelector("video").currentTime > ${before + 2}`)
}

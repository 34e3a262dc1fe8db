/** Text that is already HTML. Only `html` makes it, so every value in it was escaped once. */
export class Html {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }

  toString(): string {
    return this.text
  }
}

export type HtmlValue = Html | string | number | null | undefined | false | ReadonlyArray<HtmlValue>

/**
 * Builds HTML from a template; strings and numbers are escaped, `Html` passes, arrays are joined, `null`, `undefined`
 * and `false` leave nothing. Attribute values must stand in double quotes: an unquoted one ends at the first space.
 */
export const html = (strings: TemplateStringsArray, ...values: ReadonlyArray<HtmlValue>): Html =>
  new Html(strings.reduce((text, part, index) => text + render(values[index - 1]) + part))

const render = (value: HtmlValue): string => {
  if (value === null || value === undefined || value === false) return ""
  if (value instanceof Html) return value.text
  if (typeof value === "string" || typeof value === "number") return escape(String(value))
  return value.map(render).join("")
}

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;"
}

const escape = (text: string): string => text.replace(/[&<>"']/g, (character) => entities[character] ?? "")

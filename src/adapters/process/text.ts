/** Text about a child process, for messages. */

const longest = 1_000

/** The command as an operator would type it, shortened, and without the passwords of URLs. */
export function commandText(file: string, args: ReadonlyArray<string>): string {
  const text = [file, ...args]
    .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`))
    .join(" ")
    .replaceAll(/(\w:\/\/[^/\s:@]*):[^/\s@]*@/g, "$1:***@")
  return text.length > longest ? `${text.slice(0, longest)} ...` : text
}

/** Keeps the last `limit` bytes written to it. */
export function makeTail(limit: number) {
  let chunks: Array<Buffer> = []
  let size = 0
  return {
    push(chunk: Buffer) {
      chunks.push(chunk)
      size += chunk.length
      while (size - chunks[0]!.length >= limit) size -= chunks.shift()!.length
    },
    read() {
      const all = Buffer.concat(chunks)
      const kept = all.subarray(Math.max(0, all.length - limit))
      chunks = [kept]
      size = kept.length
      return kept.toString("utf8").trim()
    }
  }
}

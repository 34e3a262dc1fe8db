/**
 * Whether bubblewrap can make namespaces here, asked without anything of ours: inside many containers it is installed and
 * may not.
 */
import { execFile } from "node:child_process"

export const bubblewrapWorks = await new Promise<boolean>((done) =>
  execFile("bwrap", ["--unshare-all", "--ro-bind", "/", "/", "true"], (error) => done(error === null))
)
if (!bubblewrapWorks) console.warn("bubblewrap does not work here: what it shuts out is not tried")

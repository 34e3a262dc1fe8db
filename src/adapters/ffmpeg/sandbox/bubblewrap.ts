/** A sandbox by bubblewrap: namespaces with no network, no other process, and no file that was not put in. */
import type { Entry } from "./System.ts"
import type { Tool } from "./Tool.ts"

const paths = (entries: ReadonlyArray<Entry>) => entries.map(({ path }) => path)

const mounts = (option: string, paths: ReadonlyArray<string>) => paths.flatMap((path) => [option, path, path])

export const bubblewrap: Tool = {
  kind: "bubblewrap",
  program: "bwrap",
  command: (program, system, { devices, reads, writes }) => [
    program,
    "--unshare-all",
    // Without a process between: its remains are left to the init of a container, which may never clear them.
    "--as-pid-1",
    "--die-with-parent",
    "--cap-drop",
    "ALL",
    ...mounts("--ro-bind", paths(system.readable)),
    ...system.links.flatMap(([link, target]) => ["--symlink", target, link]),
    "--proc",
    "/proc",
    "--dev",
    "/dev",
    ...(devices
      ? [...mounts("--ro-bind", paths(system.deviceFacts)), ...mounts("--dev-bind", paths(system.devices))]
      : []),
    "--dir",
    "/tmp",
    // A source lies in a folder that is written to, and is covered by its own read-only mount.
    ...mounts("--bind", writes),
    ...mounts("--ro-bind", reads),
    "--remount-ro",
    "/",
    "--"
  ]
}

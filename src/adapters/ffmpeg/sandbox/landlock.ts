/**
 * A sandbox by the kernel's Landlock, for machines that allow no namespaces (most Kubernetes clusters). It keeps files
 * away, not the network: there, ffmpeg's list of protocols and the cluster's network policy have to do. setpriv knows it
 * since util-linux 2.40.
 */
import type { Entry } from "./System.ts"
import type { Tool } from "./Tool.ts"

const rule = (rights: string) => (path: string) => ["--landlock-rule", `path-beneath:${rights}:${path}`]

/** The kernel refuses a rule that grants of a file what only a folder has. */
const readable = ({ isFolder, path }: Entry) =>
  rule(isFolder ? "execute,read-file,read-dir" : "execute,read-file")(path)

const device = ({ isFolder, path }: Entry) =>
  rule(isFolder ? "read-file,write-file,read-dir" : "read-file,write-file")(path)

/** `/proc` itself would show the environment of this worker: only what ffmpeg asks of its own process and the processors. */
const aboutItself = ["/proc/self", "/sys/devices/system/cpu"]

export const landlock: Tool = {
  kind: "landlock",
  program: "setpriv",
  command: (program, system, { devices, reads, writes }) => [
    program,
    "--no-new-privs",
    "--landlock-access",
    "fs",
    ...system.readable.flatMap(readable),
    ...system.links.flatMap(([path]) => readable({ path, isFolder: true })),
    ...aboutItself.flatMap(rule("read-file,read-dir")),
    ...["/dev/zero", "/dev/urandom", "/proc/cpuinfo", "/proc/meminfo"].flatMap(rule("read-file")),
    ...rule("read-file,write-file")("/dev/null"),
    ...(devices ? [...system.deviceFacts.flatMap(readable), ...system.devices.flatMap(device)] : []),
    ...reads.flatMap(rule("read-file")),
    // No right named means all of them.
    ...writes.flatMap(rule("")),
    "--"
  ]
}

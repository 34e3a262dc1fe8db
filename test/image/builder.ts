/**
 * Builds and runs an image on a machine without a container engine's daemon: buildah in a chroot, podman with runc, and
 * a base that debootstrap makes. It stands in for the base of the Dockerfile, which a closed machine cannot pull.
 */
import { execFileSync } from "node:child_process"
import { accessSync, constants, existsSync, mkdtempSync } from "node:fs"
import { copyFile, cp, mkdir, rm, symlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { execa } from "execa"
import { repository } from "../support/programs.ts"

const tools = ["buildah", "podman", "runc", "debootstrap", "tar"]
const suite = "trixie"
const base = `localhost/vlog-base:${suite}`

const onPath = (program: string) =>
  `${process.env["PATH"] ?? ""}${delimiter}/usr/sbin`.split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK)
      return true
    } catch {
      return false
    }
  })

/** As the manifests run it: read-only root, uid 1000, no capability, no new privileges, a /tmp of its own. */
const rights = [
  "--network host --read-only --read-only-tmpfs=false --tmpfs /tmp:rw,size=256m,mode=1777",
  "--user 1000:1000 --cap-drop ALL --security-opt no-new-privileges",
  // Without these runc asks for more than a sandboxed root may give.
  "--ulimit nofile=1024:1024 --ulimit nproc=1024:1024"
].flatMap((options) => options.split(" "))

/** Why it cannot be done here, or null. */
export const obstacle = (): string | null => {
  if (process.platform !== "linux") return "images are built on Linux only"
  if (process.getuid?.() !== 0) return "debootstrap and buildah's chroot need root"
  const missing = tools.filter((tool) => !onPath(tool))
  return missing.length === 0 ? null : `not installed: ${missing.join(", ")}`
}

/** The base system stays for the next run; what is built on it goes with `remove`. */
const rootfs = join(repository, "node_modules/.cache/vlog-image", suite)

/** Debian with the pinned Node.js and npm, and this machine's registry and certificates, as the real base has its own. */
const makeBase = async () => {
  if (existsSync(join(rootfs, "complete"))) return
  await rm(rootfs, { recursive: true, force: true })
  await mkdir(rootfs, { recursive: true })
  await execa("debootstrap", ["--variant=minbase", "--include=ca-certificates", suite, rootfs])
  const modules = join(rootfs, "usr/local/lib/node_modules")
  await mkdir(modules, { recursive: true })
  await copyFile(join(repository, "node_modules/node/bin/node"), join(rootfs, "usr/local/bin/node"))
  const { stdout: globals } = await execa("npm", ["root", "--global"], { cwd: "/" })
  await cp(join(globals, "npm"), join(modules, "npm"), { recursive: true, dereference: true })
  await symlink("../lib/node_modules/npm/bin/npm-cli.js", join(rootfs, "usr/local/bin/npm"))
  await symlink("../lib/node_modules/npm/bin/npx-cli.js", join(rootfs, "usr/local/bin/npx"))
  const { stdout: registry } = await execa("npm", ["config", "get", "registry"], { cwd: "/" })
  const certificates = "/etc/ssl/certs/ca-certificates.crt"
  await copyFile(certificates, join(rootfs, certificates))
  await mkdir(join(rootfs, "usr/local/etc"), { recursive: true })
  await writeFile(join(rootfs, "usr/local/etc/npmrc"), `registry=${registry}\ncafile=${certificates}\n`)
  await writeFile(join(rootfs, "complete"), "")
}

export const makeBuilder = () => {
  // podman takes no path of more than 50 characters for it.
  const store = mkdtempSync(join(tmpdir(), "vlog-images-"))
  const storage = ["--root", join(store, "root"), "--runroot", join(store, "run"), "--storage-driver", "vfs"]
  const podman = [...storage, "--cgroup-manager", "cgroupfs", "--runtime", "runc"]

  return {
    build: async (dockerfile: string, tag: string) => {
      await makeBase()
      const archive = execa("tar", ["-C", rootfs, "-c", "."], { stdout: "pipe", buffer: false })
      await archive.pipe("podman", [...podman, "import", "-", base])
      await execa(
        "buildah",
        [...storage, "build", "--isolation", "chroot", "--pull-never", "--build-arg", `NODE_IMAGE=${base}`].concat(
          ["--file", join(repository, dockerfile), "--tag", tag],
          repository
        ),
        { all: true }
      )
    },

    run: (name: string, image: string, options: RunOptions) =>
      execa(
        "podman",
        [
          ...podman,
          "run",
          "--name",
          name,
          ...rights,
          ...(options.volumes ?? []).flatMap((volume) => ["--volume", volume]),
          ...Object.entries(options.env ?? {}).flatMap(([key, value]) => ["--env", `${key}=${value}`]),
          ...(options.entrypoint === undefined ? [] : ["--entrypoint", options.entrypoint]),
          image,
          ...(options.args ?? [])
        ],
        { reject: false, all: true }
      ),

    stop: (name: string, seconds: number) => execa("podman", [...podman, "stop", "--time", String(seconds), name]),

    inspect: async (image: string) =>
      JSON.parse((await execa("podman", [...podman, "image", "inspect", image])).stdout)[0] as ImageFacts,

    /** Also where a test has failed: containers first, then everything. */
    remove: () => {
      execFileSync("podman", [...podman, "rm", "--all", "--force", "--time", "1"], { stdio: "ignore" })
      return rm(store, { recursive: true, force: true })
    }
  }
}

export interface RunOptions {
  readonly args?: ReadonlyArray<string>
  readonly env?: Readonly<Record<string, string>>
  readonly volumes?: ReadonlyArray<string>
  readonly entrypoint?: string
}

interface ImageFacts {
  readonly Config: { readonly User: string; readonly Entrypoint: ReadonlyArray<string> }
  readonly Labels: Readonly<Record<string, string>>
}

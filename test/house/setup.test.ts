import { execa } from "execa"
import { createHash } from "node:crypto"
import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { afterEach, assert, beforeEach, describe, it } from "vitest"

const script = fileURLToPath(new URL("../../scripts/setup.mjs", import.meta.url))
const lock = JSON.stringify({ packages: { "": {}, "node_modules/left": { version: "1.0.0" } } })
const pinnedNode = "#!/bin/sh\necho v24.21.0\n"

/** A machine of our own: a checkout, and a PATH on which there are only the programs that a test puts there. */
let machine: string
const bin = (name: string) => join(machine, "bin", name)
const checkout = (name: string) => join(machine, "checkout", name)

const writeProgram = async (file: string, code: string) => {
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, code)
  await chmod(file, 0o755)
}

/** A program that notes how it was called, then does `code`. */
const program = (name: string, code = "") =>
  writeProgram(bin(name), `#!/bin/sh\necho "${name} $*" >> "${machine}/calls"\n${code}\n`)

/** Shell code that puts an empty program on the PATH, as an installation would. */
const installing = (...names: ReadonlyArray<string>) =>
  names.map((name) => `echo "#!/bin/sh" > "${bin(name)}"; /bin/chmod 755 "${bin(name)}"`).join("\n")

const installPinnedNode = `
/bin/mkdir -p node_modules/.bin
printf '%s\\n' '#!/bin/sh' 'echo v24.21.0' > node_modules/.bin/node
/bin/chmod 755 node_modules/.bin/node`

const calls = async () => {
  const text = await readFile(join(machine, "calls"), "utf8").catch(() => "")
  return text.split("\n").filter((line) => line !== "" && !line.startsWith("id "))
}

const setup = (mode: string, options: { readonly uid?: number; readonly env?: Record<string, string> } = {}) =>
  execa(process.execPath, [checkout("scripts/setup.mjs"), mode], {
    reject: false,
    extendEnv: false,
    env: {
      PATH: join(machine, "bin"),
      // Who runs the tests must not matter: the script sees the user that the test names.
      NODE_OPTIONS: `--import=${pathToFileURL(join(machine, "user.mjs")).href}`,
      FAKE_UID: String(options.uid ?? 0),
      ...options.env
    }
  })

beforeEach(async () => {
  machine = await mkdtemp(join(tmpdir(), "vlog-setup-"))
  await mkdir(checkout("scripts"), { recursive: true })
  await mkdir(join(machine, "bin"))
  await copyFile(script, checkout("scripts/setup.mjs"))
  await writeFile(checkout("package.json"), JSON.stringify({ devDependencies: { node: "24.21.0" } }))
  await writeFile(checkout("package-lock.json"), lock)
  await writeFile(
    join(machine, "user.mjs"),
    `process.getuid = () => Number(process.env.FAKE_UID)
Object.defineProperty(process, "platform", { value: "linux" })\n`
  )
  await symlink("/usr/bin/env", bin("env"))
  await Promise.all(
    ["npm", "ffmpeg", "ffprobe", "pg_dump", "psql", "chromium", "bwrap", "id"].map((name) => program(name))
  )
  await writeProgram(checkout("node_modules/.bin/node"), pinnedNode)
  const stamp = `${createHash("sha256").update(lock).digest("hex")} linux-${process.arch}\n`
  await writeFile(checkout("node_modules/.vlog-lock"), stamp)
})

afterEach(() => rm(machine, { recursive: true, force: true }))

describe("setup, on a machine that has everything", () => {
  it("says nothing and calls nothing", async () => {
    const result = await setup("test")
    assert.deepStrictEqual([result.exitCode, result.stdout, result.stderr], [0, "", ""])
    assert.deepStrictEqual(await calls(), [])
  })

  it("needs a browser for the tests only", async () => {
    await rm(bin("chromium"))
    assert.strictEqual((await setup("start")).exitCode, 0)
    const result = await setup("test")
    assert.strictEqual(result.exitCode, 1)
    assert.include(result.stderr, "CHROMIUM_PATH")
    const chosen = await setup("test", { env: { CHROMIUM_PATH: bin("psql") } })
    assert.strictEqual(chosen.exitCode, 0)
  })

  it("refuses a CHROMIUM_PATH that is no program", async () => {
    const result = await setup("test", { env: { CHROMIUM_PATH: "/nowhere/chromium" } })
    assert.strictEqual(result.exitCode, 1)
    assert.include(result.stderr, "CHROMIUM_PATH is /nowhere/chromium")
  })

  it("shows how it is called when it is called wrongly", async () => {
    const result = await setup("everything")
    assert.strictEqual(result.exitCode, 1)
    assert.include(result.stderr, "start|test")
  })
})

describe("setup, when programs are missing", () => {
  beforeEach(async () => {
    await rm(bin("ffmpeg"))
    await rm(bin("psql"))
  })

  it("installs them as root, once", async () => {
    await program("apt-get", `case "$*" in *install*) ${installing("ffmpeg", "psql")};; esac`)
    const result = await setup("start")
    assert.deepStrictEqual([result.exitCode, result.stderr], [0, ""])
    assert.deepStrictEqual(await calls(), [
      "apt-get update",
      "apt-get -o DPkg::Lock::Timeout=120 install -y --no-install-recommends ffmpeg postgresql-client"
    ])
    const again = await setup("start")
    assert.deepStrictEqual([again.exitCode, again.stdout, again.stderr], [0, "", ""])
    assert.strictEqual((await calls()).length, 2)
  })

  it("tries once to have a sandbox for ffmpeg, and goes on without", async () => {
    await rm(bin("bwrap"))
    await program("apt-get", `case "$*" in *bubblewrap*) exit 100;; *install*) ${installing("ffmpeg", "psql")};; esac`)
    const result = await setup("start")
    assert.deepStrictEqual([result.exitCode, result.stderr], [0, ""])
    assert.include(result.stdout, "bubblewrap could not be installed")
    assert.deepStrictEqual([(await setup("start")).stdout, (await calls()).length], ["", 3])
  })

  it("uses sudo where it asks for no password", async () => {
    await program("sudo", 'shift; [ "$1" = true ] || exec "$@"')
    await program("apt-get", `[ "$DEBIAN_FRONTEND" = noninteractive ] || exit 9\n${installing("ffmpeg", "psql")}`)
    const result = await setup("start", { uid: 1000 })
    assert.deepStrictEqual([result.exitCode, result.stderr], [0, ""])
    assert.include(await calls(), "sudo -n env DEBIAN_FRONTEND=noninteractive apt-get update")
  })

  it("says what to run where it does not", async () => {
    await program("sudo", "exit 1")
    await program("apt-get")
    const result = await setup("start", { uid: 1000 })
    assert.strictEqual(result.exitCode, 1)
    assert.include(result.stderr, "ffmpeg and ffprobe; the PostgreSQL client tools")
    assert.include(result.stderr, "sudo apt-get -o DPkg::Lock::Timeout=120 install")
    assert.deepStrictEqual(await calls(), ["sudo -n true"])
  })

  it("installs nothing with VLOG_SETUP=off", async () => {
    await program("apt-get")
    const result = await setup("start", { env: { VLOG_SETUP: "off" } })
    assert.strictEqual(result.exitCode, 1)
    assert.include(result.stderr, "apt-get update")
    assert.notInclude(result.stderr, "sudo")
    assert.deepStrictEqual(await calls(), [])
  })

  it("says what is missing where it knows no package manager", async () => {
    const result = await setup("start")
    assert.strictEqual(result.exitCode, 1)
    assert.include(result.stderr, "Install that with your system's package manager")
    assert.notMatch(result.stderr, /^\s+at /m)
  })

  it("shows the end of a failed installation, without a stack trace", async () => {
    await program("apt-get", 'echo "E: Unable to locate package ffmpeg" >&2; exit 100')
    const result = await setup("start")
    assert.strictEqual(result.exitCode, 1)
    assert.include(result.stderr, "E: Unable to locate package ffmpeg")
    assert.notMatch(result.stderr, /^\s+at /m)
  })

  it("does not take the package manager's word for it", async () => {
    await program("apk", installing("ffmpeg"))
    const result = await setup("start")
    assert.strictEqual(result.exitCode, 1)
    assert.include(result.stderr, "still not on the PATH:\n  the PostgreSQL client tools")
  })
})

describe("setup, when packages are missing", () => {
  beforeEach(() => rm(checkout("node_modules"), { recursive: true }))

  it("installs them", async () => {
    await program("npm", installPinnedNode)
    const result = await setup("start")
    assert.deepStrictEqual([result.exitCode, result.stderr], [0, ""])
    assert.strictEqual(result.stdout, "Installing packages (npm ci) ...")
    const again = await setup("start")
    assert.deepStrictEqual([again.exitCode, again.stdout], [0, ""])
    assert.deepStrictEqual(await calls(), ["npm ci --include=dev --loglevel=warn"])
  })

  it("installs them again when the lockfile changes", async () => {
    await program("npm", installPinnedNode)
    await setup("start")
    await writeFile(checkout("package-lock.json"), lock.replace("1.0.0", "1.0.1"))
    await setup("start")
    assert.strictEqual((await calls()).length, 2)
  })

  it("accepts what someone installed by hand", async () => {
    await writeProgram(checkout("node_modules/.bin/node"), pinnedNode)
    await writeFile(checkout("node_modules/.package-lock.json"), lock)
    const result = await setup("start")
    assert.deepStrictEqual([result.exitCode, result.stdout, result.stderr], [0, "", ""])
    assert.deepStrictEqual(await calls(), [])
  })

  it("says so when npm fails", async () => {
    await program("npm", 'echo "npm error network getaddrinfo ENOTFOUND" >&2; exit 1')
    const result = await setup("start")
    assert.strictEqual(result.exitCode, 1)
    assert.include(result.stderr, "getaddrinfo ENOTFOUND")
    assert.notMatch(result.stderr, /^\s+at /m)
  })

  it("says so when npm ran no install scripts", async () => {
    const result = await setup("start")
    assert.strictEqual(result.exitCode, 1)
    assert.include(result.stderr, "npm_config_ignore_scripts=false")
  })

  it("says so when there is no npm", async () => {
    await rm(bin("npm"))
    const result = await setup("start")
    assert.strictEqual(result.exitCode, 1)
    assert.include(result.stderr, "npm was not found")
  })

  it("installs nothing with VLOG_SETUP=off", async () => {
    const result = await setup("start", { env: { VLOG_SETUP: "off" } })
    assert.strictEqual(result.exitCode, 1)
    assert.include(result.stderr, "Run: npm ci")
    assert.deepStrictEqual(await calls(), [])
  })
})

describe("setup, as root without the user postgres", () => {
  beforeEach(() => program("id", "exit 1"))

  it("adds the user", async () => {
    await program("useradd")
    const result = await setup("start")
    assert.strictEqual(result.exitCode, 0)
    assert.deepStrictEqual(await calls(), [
      "useradd --system --user-group --no-create-home --shell /usr/sbin/nologin postgres"
    ])
  })

  it("adds it with adduser where there is no useradd", async () => {
    await program("adduser")
    assert.strictEqual((await setup("start")).exitCode, 0)
    assert.deepStrictEqual(await calls(), ["adduser -S -D -H postgres"])
  })

  it("says so when that fails", async () => {
    await program("useradd", 'echo "useradd: cannot lock /etc/passwd" >&2; exit 1')
    const result = await setup("start")
    assert.strictEqual(result.exitCode, 1)
    assert.include(result.stderr, "cannot lock /etc/passwd")
  })

  it("does not need it for another user", async () => {
    assert.strictEqual((await setup("start", { uid: 1000 })).exitCode, 0)
  })
})

// Makes a machine ready for `npm start` and `npm test`: packages, programs, and the system user of the embedded
// PostgreSQL. It runs before anything is installed and on the system's own Node.js, so it is plain JavaScript and uses
// nothing but Node's built-in modules. What is already there is left alone, without a word.
//
//   node scripts/setup.mjs start|test
//
// VLOG_SETUP=off   look, but install nothing
import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { accessSync, constants, existsSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { delimiter, join } from "node:path"
import { fileURLToPath } from "node:url"

const oldestNode = 20
const root = fileURLToPath(new URL("..", import.meta.url))
const mayInstall = process.env.VLOG_SETUP !== "off"
const isRoot = process.getuid?.() === 0

/** A failure that a person can act on: shown as its text, never as a stack trace. */
class SetupError extends Error {}

// The pinned Node.js lives in node_modules/.bin, which npm puts first on the PATH. Whatever installs it must not run on it.
const binFolder = join(root, "node_modules", ".bin")
const path = (process.env.PATH ?? "").split(delimiter).filter((folder) => folder !== "" && folder !== binFolder)
const environment = { ...process.env, PATH: path.join(delimiter) }

const isProgram = (file) => {
  try {
    accessSync(file, constants.X_OK)
    return statSync(file).isFile()
  } catch {
    return false
  }
}

const onPath = (program) => path.some((folder) => isProgram(join(folder, program)))

const run = (command, args) => {
  const result = spawnSync(command, args, {
    cwd: root,
    env: environment,
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024
  })
  const output = `${result.stdout ?? ""}${result.stderr ?? ""}${result.error === undefined ? "" : result.error.message}`
  return { ok: result.status === 0, output, command: [command, ...args].join(" ") }
}

/** What tells most about a failure: npm says it first and goes on with advice, everything else says it last. */
const excerpt = (output) => {
  const lines = output.trimEnd().split("\n")
  const fromNpm = lines.filter((line) => /^npm (error|ERR!) /.test(line))
  return (fromNpm.length > 0 ? fromNpm.slice(0, 12) : lines.slice(-12)).map((line) => `    ${line}`).join("\n")
}

const failed = (what, results, advice) =>
  new SetupError(
    [
      what,
      ...results.filter(({ ok }) => !ok).map(({ command, output }) => `\n  ${command}\n${excerpt(output)}`),
      `\n${advice}`
    ].join("\n")
  )

const readJson = (...file) => JSON.parse(readFileSync(join(root, ...file), "utf8"))

const packages = () => {
  const stampFile = join(root, "node_modules", ".vlog-lock")
  const pinnedNode = join(binFolder, "node")
  const lock = readFileSync(join(root, "package-lock.json"))
  const stamp = `${createHash("sha256").update(lock).digest("hex")} ${process.platform}-${process.arch}\n`
  if (existsSync(stampFile) && readFileSync(stampFile, "utf8") === stamp && isProgram(pinnedNode)) return

  const wanted = readJson("package.json").devDependencies.node
  const nodeVersion = () => run(pinnedNode, ["--version"]).output.trim()

  // Someone may have run `npm ci` by hand: npm's own record of what it installed tells.
  const installedByHand = () => {
    if (!existsSync(join(root, "node_modules", ".package-lock.json"))) return false
    const installed = readJson("node_modules", ".package-lock.json").packages
    return Object.entries(JSON.parse(lock.toString()).packages).every(
      ([folder, { version, optional }]) => folder === "" || optional === true || installed[folder]?.version === version
    )
  }

  if (!installedByHand() || nodeVersion() !== `v${wanted}`) {
    if (!mayInstall) {
      throw new SetupError("The npm packages are missing or out of date. Run: npm ci --include=dev")
    }
    if (!onPath("npm")) {
      throw new SetupError(
        "npm was not found on the PATH. Install it (Debian, Ubuntu: apt-get install npm) and start again."
      )
    }
    console.log("Installing packages (npm ci) ...")
    const install = run("npm", ["ci", "--include=dev", "--loglevel=warn"])
    if (!install.ok) {
      throw failed(
        "The npm packages could not be installed.",
        [install],
        "Mend what npm complains about (often the network or a proxy: see `npm config list`) and start again."
      )
    }
    const version = nodeVersion()
    if (version !== `v${wanted}`) {
      throw new SetupError(
        [
          `The packages are installed, but the Node.js ${wanted} that belongs to them does not run.`,
          `node_modules/.bin/node --version says: ${version || "nothing"}`,
          "",
          "Either npm was told to run no install scripts: npm_config_ignore_scripts=false npm ci --include=dev",
          "or there is no Node.js build for this system: a glibc Linux or macOS, x64 or arm64, is needed."
        ].join("\n")
      )
    }
  }
  writeFileSync(stampFile, stamp)
}

const needs = {
  ffmpeg: { programs: ["ffmpeg", "ffprobe"], what: "ffmpeg and ffprobe" },
  postgres: { programs: ["pg_dump", "psql"], what: "the PostgreSQL client tools (pg_dump, psql)" },
  chromium: { programs: [], what: "Chromium, or CHROMIUM_PATH with the path of one" }
}

const browsers = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]

const isThere = (need) => {
  if (need !== "chromium") return needs[need].programs.every(onPath)
  const chosen = process.env.CHROMIUM_PATH
  if (chosen !== undefined && chosen !== "" && !isProgram(chosen)) {
    throw new SetupError(
      `CHROMIUM_PATH is ${chosen}, which is not a program. Set it to a Chromium or Chrome, or unset it.`
    )
  }
  return (chosen !== undefined && chosen !== "") || browsers.some(onPath)
}

/** How each package manager is called, and what it calls the things we need. The first one found is used. */
const managers = [
  {
    program: "apt-get",
    refresh: ["update"],
    install: ["-o", "DPkg::Lock::Timeout=120", "install", "-y", "--no-install-recommends"],
    names: { ffmpeg: "ffmpeg", postgres: "postgresql-client", chromium: "chromium" }
  },
  {
    program: "dnf",
    install: ["install", "-y"],
    names: { ffmpeg: "ffmpeg", postgres: "postgresql", chromium: "chromium" },
    hint: "Fedora keeps an ffmpeg that encodes H.264 in RPM Fusion (rpmfusion.org/Configuration): add that first."
  },
  {
    program: "apk",
    install: ["add", "--no-cache"],
    names: { ffmpeg: "ffmpeg", postgres: "postgresql-client", chromium: "chromium" }
  },
  {
    program: "brew",
    withoutRoot: true,
    install: ["install"],
    names: { ffmpeg: "ffmpeg", postgres: "libpq", chromium: "chromium" },
    hint: "Homebrew keeps libpq off the PATH: brew link --force libpq"
  }
]

const programs = (wanted) => {
  const missing = wanted.filter((need) => !isThere(need))
  if (missing.length === 0) return

  const what = `Missing: ${missing.map((need) => needs[need].what).join("; ")}.`
  const manager = managers.find(({ program }) => onPath(program))
  if (manager === undefined) {
    throw new SetupError(`${what}\nInstall that with your system's package manager, then start again.`)
  }

  const names = missing.map((need) => manager.names[need])
  const steps = [...(manager.refresh === undefined ? [] : [manager.refresh]), [...manager.install, ...names]]
  const byHand = [
    "Run this, then start again:",
    "",
    ...steps.map((args) => `  ${manager.withoutRoot || isRoot ? "" : "sudo "}${manager.program} ${args.join(" ")}`),
    ...(manager.hint === undefined ? [] : ["", manager.hint])
  ].join("\n")

  if (!mayInstall) throw new SetupError(`${what}\n${byHand}`)

  const asRoot = manager.withoutRoot || isRoot ? [] : ["sudo", "-n"]
  if (asRoot.length > 0 && !(onPath("sudo") && run("sudo", ["-n", "true"]).ok)) {
    throw new SetupError(`${what}\nInstalling needs root, and sudo is missing or asks for a password. ${byHand}`)
  }

  console.log(`Installing ${names.join(", ")} (${manager.program}) ...`)
  // Through `env`, because sudo drops the variable that keeps apt-get from asking questions.
  const call = [...asRoot, "env", "DEBIAN_FRONTEND=noninteractive", manager.program]
  const results = steps.map((args) => run(call[0], [...call.slice(1), ...args]))
  // A refresh that fails for one of many sources is no reason to stop; if it was, the installation fails as well.
  if (!results.at(-1).ok) {
    throw failed(`${what}\nInstalling it failed.`, results, byHand)
  }
  const stillMissing = missing.filter((need) => !isThere(need))
  if (stillMissing.length > 0) {
    throw new SetupError(
      [
        `${manager.program} installed ${names.join(", ")}, but this is still not on the PATH:`,
        ...stillMissing.map((need) => `  ${needs[need].what}`),
        ...(manager.hint === undefined ? [] : [manager.hint])
      ].join("\n")
    )
  }
}

/** ffmpeg runs in a sandbox where this is there, and without one where it is not: tried once, never a reason to stop. */
const sandbox = () => {
  const stampFile = join(root, "node_modules", ".vlog-bubblewrap")
  if (process.platform !== "linux" || onPath("bwrap") || !mayInstall || existsSync(stampFile)) return
  writeFileSync(stampFile, "")
  const manager = managers.find(({ program }) => onPath(program))
  if (manager === undefined || !(isRoot || (onPath("sudo") && run("sudo", ["-n", "true"]).ok))) return
  const call = [...(isRoot ? [] : ["sudo", "-n"]), "env", "DEBIAN_FRONTEND=noninteractive", manager.program]
  if (!run(call[0], [...call.slice(1), ...manager.install, "bubblewrap"]).ok) {
    console.log("bubblewrap could not be installed: ffmpeg will run without a sandbox. See VLOG_FFMPEG_SANDBOX.")
  }
}

/** PostgreSQL refuses to run as root; as root, the embedded server runs as this user. */
const postgresUser = () => {
  if (process.platform !== "linux" || !isRoot || run("id", ["-u", "postgres"]).ok) return
  const command = onPath("useradd")
    ? ["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", "postgres"]
    : ["adduser", "-S", "-D", "-H", "postgres"]
  const advice = `The embedded PostgreSQL does not run as root and needs this user. Run: ${command.join(" ")}`
  if (!mayInstall) throw new SetupError(`Missing: the system user postgres.\n${advice}`)
  console.log("Adding the system user postgres ...")
  const result = run(command[0], command.slice(1))
  if (!result.ok) throw failed("The system user postgres could not be added.", [result], advice)
}

const setUp = () => {
  const mode = process.argv[2]
  if (mode !== "start" && mode !== "test") throw new SetupError("Usage: node scripts/setup.mjs start|test")
  if (Number(process.versions.node.split(".")[0]) < oldestNode) {
    throw new SetupError(
      `Node.js ${oldestNode} or later is needed to begin; this is ${process.versions.node}. Install a newer one from nodejs.org.`
    )
  }
  packages()
  programs(mode === "test" ? ["ffmpeg", "postgres", "chromium"] : ["ffmpeg", "postgres"])
  sandbox()
  postgresUser()
}

try {
  setUp()
} catch (error) {
  // Anything else is a full disk, a folder we may not write to, a damaged checkout: its message says which file.
  console.error(`vlog cannot start yet.\n\n${error instanceof Error ? error.message : error}`)
  process.exitCode = 1
}

/**
 * A folder of this process's own, below one that it may share with others, and which everybody there can see to be in
 * use: a socket lies in it, and the kernel, which knows when a process has gone however it went, tells who asks whether
 * somebody still listens. Numbers of processes would not do: containers that share a disk each count their own.
 */
import { mkdir, mkdtemp, readdir, rename, rm, statfs } from "node:fs/promises"
import { connect, createServer } from "node:net"
import { join } from "node:path"

const prefix = "worker-"
const mark = "alive"

/**
 * Of statfs(2): file systems that one kernel has to itself. On those of a network a socket says nothing of processes on
 * other machines, so that nothing is cleared there.
 */
const local = new Set([
  0xef53, // ext2 to ext4
  0x58465342, // XFS
  0x9123683e, // Btrfs
  0x2fc12fc1, // ZFS
  0xf2f52010, // F2FS
  0x01021994, // tmpfs
  0x794c7630 // overlay, as containers have it
])

/** It has its name from the moment on when somebody listens: nobody takes one that is just being made for a dead one. */
const listen = async (folder: string) => {
  const unfinished = join(folder, "unfinished")
  const server = createServer((socket) => socket.destroy()).unref()
  await new Promise<void>((done, fail) => server.once("error", fail).listen(unfinished, done))
  await rename(unfinished, join(folder, mark))
  return server
}

/** Nothing but a refusal counts: there may be no such socket, or it may be somebody else's. */
const isDead = (folder: string) =>
  new Promise<boolean>((done) => {
    const socket = connect(join(folder, mark))
    const answer = (dead: boolean) => {
      socket.destroy()
      done(dead)
    }
    socket.once("connect", () => answer(false))
    socket.once("error", (error: NodeJS.ErrnoException) => answer(error.code === "ECONNREFUSED"))
  })

/** `problem`: why nobody can see that it is in use, so that it stays if this process is killed; null where they can. */
export const occupy = async (root: string) => {
  await mkdir(root, { recursive: true })
  const path = await mkdtemp(join(root, prefix))
  const { problem, server } = await listen(path).then(
    (server) => ({ problem: null, server }),
    (cause: unknown) => ({ problem: String(cause), server: null })
  )
  const leave = async () => {
    await rm(path, { recursive: true, force: true })
    server?.close()
  }
  return { path, problem, leave }
}

/** Removes what processes left that are certainly dead; gives the names of their folders. */
export const clearDead = async (root: string): Promise<ReadonlyArray<string>> => {
  if (!local.has((await statfs(root)).type)) return []
  const names = (await readdir(root)).filter((name) => name.startsWith(prefix))
  const dead = await Promise.all(names.map((name) => isDead(join(root, name))))
  const cleared = names.filter((_, index) => dead[index])
  await Promise.all(cleared.map((name) => rm(join(root, name), { recursive: true, force: true })))
  return cleared
}

/** Reads the boxes of a file (ISO/IEC 14496-12) and leaves the media data where it is: a segment may be large. */
import type { ISOFile } from "mp4box"
import { type FileHandle, open } from "node:fs/promises"

/** Thrown where boxes are missing or do not fit together: turned into `NotASegment` in one place. */
export class Malformed extends Error {}

export interface Skeleton {
  readonly file: ISOFile
  /** Bytes of `mdat`, without their headers. */
  readonly mediaBytes: number
}

/** More than the index of any segment needs. */
const maxSkeletonBytes = 16 * 1024 * 1024

export interface Opened {
  readonly size: number
  /** So many bytes from there on, or what the file has of them. */
  read(position: number, length: number): Promise<Buffer>
}

/** Boxes that say something lie at the beginning, before the media data: they are read together. */
const beginning = 16 * 1024

export const withFile = async <A>(path: string, use: (file: Opened) => Promise<A>): Promise<A> => {
  const file = await open(path, "r")
  try {
    const start = await readAt(file, 0, beginning)
    const isWhole = start.length < beginning
    return await use({
      size: isWhole ? start.length : (await file.stat()).size,
      read: async (position, length) =>
        isWhole || position + length <= start.length
          ? start.subarray(position, position + length)
          : readAt(file, position, length)
    })
  } finally {
    await file.close()
  }
}

const readAt = async (file: FileHandle, position: number, length: number): Promise<Buffer> => {
  const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(length), 0, length, position)
  return buffer.subarray(0, bytesRead)
}

/** The first bytes of a file. */
export const head = (file: Opened) => file.read(0, 16)

/** A whole text, if it is not unreasonably long. */
export const readText = async (file: Opened) => {
  if (file.size > maxSkeletonBytes) throw new Malformed("it is too long")
  const bytes = await file.read(0, file.size)
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes)
  } catch {
    throw new Malformed("it is not UTF-8")
  }
}

export const isJpeg = (bytes: Buffer) => bytes.length > 4 && bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff

export const readSkeleton = async (opened: Opened): Promise<Skeleton> => {
  const { size: end } = opened
  const boxes: Array<Buffer> = []
  let kept = 0
  let mediaBytes = 0
  for (let at = 0; at < end;) {
    const header = await opened.read(at, 16)
    if (header.length < 8) throw new Malformed("it was cut short")
    const extended = header.readUInt32BE(0) === 1
    if (extended && header.length < 16) throw new Malformed("it was cut short")
    const size = extended ? Number(header.readBigUInt64BE(8)) : header.readUInt32BE(0)
    if (size < (extended ? 16 : 8)) throw new Malformed("a box has an impossible size")
    if (at + size > end) throw new Malformed("it was cut short")
    if (header.toString("latin1", 4, 8) === "mdat") mediaBytes += size - (extended ? 16 : 8)
    else {
      kept += size
      if (kept > maxSkeletonBytes) throw new Malformed("its boxes are too large")
      boxes.push(await opened.read(at, size))
    }
    at += size
  }
  if (boxes.length === 0) throw new Malformed("it has no boxes")
  return { file: await parse(Buffer.concat(boxes)), mediaBytes }
}

/** The parser is loaded with the first segment: a worker that has nothing to do needs none of it. */
const parse = async (bytes: Buffer): Promise<ISOFile> => {
  const { createFile, MP4BoxBuffer } = await import("mp4box")
  const file = createFile()
  const copy = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer
  file.appendBuffer(MP4BoxBuffer.fromArrayBuffer(copy, 0))
  file.flush()
  return file
}

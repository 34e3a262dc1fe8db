/** Bytes of a disk: what this program may still write there, and all of it. */
export interface DiskSpace {
  readonly free: number
  readonly size: number
}

/** Part of a longer list. */
export interface Page {
  readonly total: number
  readonly offset: number
}

/** Where there is more than was shown. */
export const pageText = (shown: number, { offset, total }: Page): ReadonlyArray<string> =>
  offset + shown < total ? [`${shown} of ${total}; the next with --offset ${offset + shown}`] : []

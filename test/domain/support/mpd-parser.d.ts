/** What the tests read of a parsed manifest: the package brings no types. */
declare module "mpd-parser" {
  interface ParsedSegment {
    readonly uri: string
    readonly resolvedUri: string
    readonly duration: number
    readonly number: number
    readonly presentationTime: number
    readonly map: { readonly uri: string; readonly resolvedUri: string }
  }

  interface ParsedPlaylist {
    readonly attributes: {
      readonly NAME: string
      readonly BANDWIDTH: number
      readonly CODECS: string
      readonly RESOLUTION?: { readonly width: number; readonly height: number }
      readonly "FRAME-RATE"?: number
    }
    readonly endList: boolean
    readonly segments: ReadonlyArray<ParsedSegment>
  }

  interface ParsedManifest {
    readonly duration: number
    readonly minimumUpdatePeriod?: number
    readonly playlists: ReadonlyArray<ParsedPlaylist>
    readonly mediaGroups: {
      readonly AUDIO: Readonly<
        Record<
          string,
          Readonly<
            Record<
              string,
              {
                readonly language: string
                readonly default: boolean
                readonly playlists: ReadonlyArray<ParsedPlaylist>
              }
            >
          >
        >
      >
    }
  }

  export function parse(manifest: string, options: { readonly manifestUri: string }): ParsedManifest
}

/** All programs of a release have one version. */
import pkg from "../../package.json" with { type: "json" }

export const { version } = pkg

/** What the environment says to commands that work on the database. */
import { Config } from "effect"
import { readAll } from "./readAll.ts"

export const databaseSettings = readAll({ url: Config.Redacted("VLOG_DATABASE_URL") })

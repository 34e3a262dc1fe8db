/** Cleanup: takes tasks back from lost workers, removes what nobody needs, and audits the queue. */
import { cleanupCommand } from "./cleanup/command.ts"
import { commandLine } from "./commandLine.ts"

commandLine(cleanupCommand)

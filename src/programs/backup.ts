/** Backups: `backup [create|list|verify|prune|restore|drill]`. */
import { backup } from "./backup/commands.ts"
import { commandLine } from "./commandLine.ts"

commandLine(backup)

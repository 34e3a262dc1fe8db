/** Backups: `backup [create|list|verify|prune|restore|drill]`. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect } from "effect"
import { Command } from "effect/cli"
import { backup } from "./backup/commands.ts"
import { launch } from "./launch.ts"
import { version } from "./settings/api.ts"

launch(Command.run(backup, { version }).pipe(Effect.provide(NodeServices.layer)), "command")

#!/usr/bin/env node
/** The command line of operators. */
import { Command } from "effect/cli"
import { backup } from "./backup/commands.ts"
import { cleanupCommand } from "./cleanup/command.ts"
import { commandLine } from "./commandLine.ts"
import { db } from "./vlog/db.ts"
import { doctor } from "./vlog/doctor.ts"
import { job } from "./vlog/job.ts"
import { key } from "./vlog/key.ts"
import { video } from "./vlog/video.ts"
import { worker } from "./vlog/worker.ts"

commandLine(
  Command.make("vlog").pipe(
    Command.withDescription("Operate a vlog transcoding farm"),
    Command.withSubcommands([
      { group: "The farm, over the Worker API", commands: [video, job, worker, key] },
      { group: "Upkeep, on the database and the disk", commands: [doctor, db, cleanupCommand, backup] }
    ])
  )
)

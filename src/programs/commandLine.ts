/** How every command line of this project reads its arguments and answers. */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Console, Effect, Layer } from "effect"
import { CliOutput, Command, type GlobalFlag } from "effect/cli"
import type { HttpClient } from "effect/http"
import type { Expected } from "./exit/Expected.ts"
import { launch } from "./launch.ts"
import { Json } from "./output/Json.ts"
import { version } from "./version.ts"

/** Said twice otherwise, as in "Expected: Schema validation failed: Expected a value between 1 and 200". */
const plain = ({ message }: { readonly message: string }) =>
  message.replace("Expected: Schema validation failed: Expected", "Expected")

/** What was wrong, without a page of help that pushes it off the screen, and nothing where the result would be. */
const presenter: CliOutput.Presenter = {
  present: (event) =>
    event._tag === "InvalidInvocation"
      ? Console.error(
          [...event.errors.map((error) => `error: ${plain(error)}`), `See ${event.commandPath.join(" ")} --help`].join(
            "\n"
          )
        )
      : CliOutput.defaultPresenter.present(event)
}

const services = Layer.mergeAll(
  NodeServices.layer,
  NodeHttpClient.layerNodeHttp,
  CliOutput.layerPresenter(presenter),
  CliOutput.layer(CliOutput.defaultFormatter({ globalFlags: "summary" }))
)

/** Runs the command that the arguments name. */
export const commandLine = <Name extends string, Input, ContextInput, E extends Expected>(
  command: Command.Command<
    Name,
    Input,
    ContextInput,
    E,
    Command.Environment | HttpClient.HttpClient | GlobalFlag.Setting.Identifier<"json">
  >
): void =>
  launch(
    command.name,
    command.pipe(Command.withGlobalFlags([Json]), Command.run({ version }), Effect.provide(services)),
    "command"
  )

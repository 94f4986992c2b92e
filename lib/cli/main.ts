/**
 * The commands as one table, and what they have in common: help, errors, exit codes.
 *
 * Above: the program cli.ts. Below: one file for each command.
 *
 * @module
 */

import { inspect, stripVTControlCharacters } from "node:util";
import { environment, type Terminal } from "../runtime.ts";
import { call } from "./call.ts";
import { type Command, readCommandLine, type Syntax, UsageError } from "./command.ts";
import { commandHelp, generalHelp } from "./help.ts";
import { ls } from "./ls.ts";
import { serve } from "./serve.ts";
import { jsonLine, printable } from "./text.ts";
import { top } from "./top.ts";
import { version } from "./version.ts";

const commands: readonly Command[] = [serve, ls, top, call];

/** What may stand in place of a command. */
const general: Syntax = {
  name: "",
  words: [],
  options: { version: { help: "print the version" } },
};

/** Runs one command line and resolves to its exit code: 0, 1 if it failed, 2 if it was misused. */
export async function runCommand(args: readonly string[], terminal: Terminal): Promise<number> {
  try {
    const position = args.findIndex((arg) => !arg.startsWith("-"));
    if (position < 0) return await runGeneral(args, terminal);
    const command = commandNamed(args[position]!);
    const line = readCommandLine(command, args.toSpliced(position, 1));
    if (!line.options.has("help")) return await command.run(line, terminal);
    await terminal.print(commandHelp(command));
    return 0;
  } catch (error) {
    await terminal.complain(`referent: ${errorText(error)}\n`);
    return error instanceof UsageError ? 2 : 1;
  }
}

async function runGeneral(args: readonly string[], terminal: Terminal): Promise<number> {
  const { options } = readCommandLine(general, args);
  if (options.has("version")) {
    await terminal.print(options.has("json") ? jsonLine({ version }) : `${version}\n`);
    return 0;
  }
  if (options.has("help")) {
    await terminal.print(generalHelp(commands));
    return 0;
  }
  await terminal.complain(generalHelp(commands));
  return 2;
}

function commandNamed(name: string): Command {
  const found = commands.find((command) => command.name === name);
  if (found) return found;
  const names = commands.map((command) => command.name).join(", ");
  throw new UsageError(`Unknown command "${name}": there are ${names}; see "referent --help"`);
}

/** One line, which says the cure; with `REFERENT_DEBUG=1` all that is known. */
function errorText(error: unknown): string {
  if (environment("REFERENT_DEBUG") === "1") {
    return stripVTControlCharacters(inspect(error)).split("\n").map(printable).join("\n");
  }
  const text = error instanceof Error ? error.message || error.name : String(error);
  // Deno colours what it quotes of a module.
  return printable(stripVTControlCharacters(text).trim().replace(/\s*\n\s*/g, " "));
}

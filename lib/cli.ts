/**
 * The program `referent`: `deno run -A jsr:@referent/manager/cli`, and the `bin` of the npm package.
 * It runs when it is imported and ends the process.
 *
 * Above: people and scripts. Below: cli/main.ts.
 *
 * @module
 */

import { runCommand } from "./cli/main.ts";
import { commandArguments, exitProcess, openTerminal } from "./runtime.ts";

exitProcess(await runCommand(commandArguments(), openTerminal()));

/**
 * The help of the commands. Pure: from the table to text.
 *
 * Above: main.ts. Below: command.ts, text.ts.
 *
 * @module
 */

import { type Command, commonOptions, type Option } from "./command.ts";
import { alignLeft } from "./text.ts";

/** What `referent --help` prints. */
export function generalHelp(commands: readonly Command[]): string {
  return [
    "usage: referent COMMAND [OPTION...]",
    "",
    "Shared objects for the processes of one machine, or more: hosts and looks at managers.",
    "",
    ...alignLeft(commands.map(({ name, summary }) => [`  ${name}`, summary])),
    "",
    ...alignLeft([
      ["  --version", "print the version"],
      ["  --help", "print this help; with a command, its help"],
      ["  --json", "print JSON, one value a line; every command has it"],
    ]),
    "",
    "Exit code: 0, 1 if it failed, 2 if it was misused. REFERENT_DEBUG=1 shows the whole error.",
    "",
  ].join("\n");
}

/** What `referent COMMAND --help` prints. */
export function commandHelp({ name, words, options, summary, details }: Command): string {
  return [
    `usage: ${["referent", name, ...words, "[OPTION...]"].join(" ")}`,
    "",
    summary,
    "",
    details.trim(),
    "",
    ...alignLeft(Object.entries({ ...options, ...commonOptions }).map(describeOption)),
    "",
  ].join("\n");
}

function describeOption([name, { value, help }]: [string, Option]): [string, string] {
  return [`  --${name}${value === undefined ? "" : ` ${value}`}`, help];
}

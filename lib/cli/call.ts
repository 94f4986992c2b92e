/**
 * `referent call`: one call of a published object.
 *
 * Above: main.ts. Below: target.ts, values.ts.
 *
 * @module
 */

import { NotExposedError, UnknownObjectError } from "../errors.ts";
import type { ManagerMembers } from "../manager/facade.ts";
import { callMethod, isProxy } from "../proxy.ts";
import type { Terminal } from "../runtime.ts";
import type { Command, CommandLine } from "./command.ts";
import { join } from "./target.ts";
import { readArgument, resultAsJson, showResult } from "./values.ts";

/** The command. */
export const call: Command = {
  name: "call",
  words: ["ADDRESS|NAME", "OBJECT", "METHOD", "[ARG...]"],
  options: {},
  summary: "calls a method of a published object and prints its result",
  details: `
An ARG is read as JSON where it is JSON, else it is the text itself: 5 is a
number, "5" (with the quotes) a text. Words after -- are never options.
The result is printed as Python would, or with --json as JSON. What JSON cannot
say is {"$":[kind, ...]} in both directions: {"$":["bigint","ff"]},
{"$":["date",0]}, {"$":["map","key",1]}, {"$":["set",1,2]}, {"$":["undefined"]}.
The items of an iterator are printed one a line. A call that waits for another
caller waits until Ctrl-C, or as long as its options say: '{"timeout":1000}'.`,
  run: runCall,
};

async function runCall({ words, options }: CommandLine, terminal: Terminal): Promise<number> {
  const [target, name, method, ...rest] = words as [string, string, string, ...string[]];
  const args = rest.map(readArgument);
  const write = options.has("json") ? resultAsJson : showResult;
  const manager = await join(target);
  try {
    const object = await published(manager, name);
    const result = await callExposed(object, method, args);
    if (!isItems(result)) await terminal.print(`${write(result)}\n`);
    else await printItems(result, (item) => terminal.print(`${write(item)}\n`), terminal.unread);
    return 0;
  } finally {
    await manager.close();
  }
}

async function published(manager: ManagerMembers<unknown>, name: string): Promise<object> {
  const found = await manager.lookup<object>(name);
  if (found) return found;
  const { objects } = await manager.debugInfo();
  const names = objects.flatMap((object) => object.names).map((other) => `"${other}"`);
  throw new UnknownObjectError(
    `No object of the name "${name}" at "${manager.address}": ${
      names.length === 0 ? "nothing is published there" : `there are ${names.join(", ")}`
    }; give it a name with manager.publish() or manager.named()`,
  );
}

async function callExposed(object: object, method: string, args: unknown[]): Promise<unknown> {
  try {
    return await callMethod(object, method, args);
  } catch (error) {
    const exposed = Object.keys(Object.getPrototypeOf(object));
    if (!(error instanceof NotExposedError) || exposed.includes(method)) throw error;
    throw new NotExposedError(`${error.message}; there are ${exposed.join(", ")}`, {
      cause: error,
    });
  }
}

async function printItems(
  items: AsyncIterable<unknown>,
  print: (item: unknown) => Promise<void>,
  unread: AbortSignal,
): Promise<void> {
  for await (const item of items) {
    await print(item);
    if (unread.aborted) return;
  }
}

function isItems(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === "object" && value !== null && Symbol.asyncIterator in value &&
    !isProxy(value);
}

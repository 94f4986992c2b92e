/**
 * `referent top`: what a server holds and does, again and again.
 *
 * Above: main.ts. Below: target.ts, sample.ts, view.ts.
 *
 * @module
 */

import { setTimeout } from "node:timers/promises";
import { ConnectionClosedError } from "../errors.ts";
import type { ManagerMembers } from "../manager/facade.ts";
import type { Terminal } from "../runtime.ts";
import type { DebugInfo } from "../server/control.ts";
import { type Command, type CommandLine, milliseconds } from "./command.ts";
import { sampleOf } from "./sample.ts";
import { join } from "./target.ts";
import { jsonLine, printable } from "./text.ts";
import { redrawn, viewOf } from "./view.ts";

const defaultInterval = 1_000;
/** Milliseconds after which a server that does not answer counts as stuck. */
const callTimeout = 10_000;

/** The command. */
export const top: Command = {
  name: "top",
  words: ["ADDRESS|NAME"],
  options: {
    interval: { value: "MS", help: `milliseconds between two samples (${defaultInterval})` },
    once: { help: "one sample" },
  },
  summary: "shows what a server holds and does, live",
  details: `
Suspects of deadlock, who has and who waits for locks, depths of queues,
references by session, the slowest methods, objects by typeid. On a terminal the
view is drawn again, else it is printed once per interval. Calls a second are
those since the sample before, of the first one since the server's start.
The key is the server's key file, which only its user can read, or
REFERENT_AUTHKEY.`,
  run: runTop,
};

async function runTop(line: CommandLine, terminal: Terminal): Promise<number> {
  const interval = milliseconds(line, "interval", 1) ?? defaultInterval;
  const manager = await join(line.words[0]!, callTimeout);
  const over = either(terminal.untilStopped(), terminal.unread);
  // Rejects what is pending. A server that does not read would make this wait.
  over.addEventListener("abort", () => void manager.close(), { once: true });
  const ended = new AbortController();
  manager.closed.then(() => ended.abort());
  let before: DebugInfo | undefined;
  try {
    while (!ended.signal.aborted) {
      const info = await manager.debugInfo();
      await show(info, before, line, terminal);
      if (line.options.has("once")) return 0;
      before = info;
      await setTimeout(interval, undefined, { signal: ended.signal }).catch(() => {});
    }
  } catch (error) {
    if (!(error instanceof ConnectionClosedError)) throw error;
  } finally {
    if (!over.aborted) await manager.close();
  }
  return await sayEnd(manager, terminal);
}

/** Aborted with the first of the two: Node 20.0 has no `AbortSignal.any`. */
function either(one: AbortSignal, other: AbortSignal): AbortSignal {
  const first = new AbortController();
  for (const signal of [one, other]) {
    if (signal.aborted) first.abort();
    signal.addEventListener("abort", () => first.abort(), { once: true });
  }
  return first.signal;
}

async function show(
  info: DebugInfo,
  before: DebugInfo | undefined,
  { options }: CommandLine,
  terminal: Terminal,
): Promise<void> {
  const sample = sampleOf(info, before, new Date());
  if (options.has("json")) return await terminal.print(jsonLine(sample));
  const lines = viewOf(sample);
  const drawn = terminal.interactive && !options.has("once");
  await terminal.print(drawn ? redrawn(lines, terminal.size()) : `${lines.join("\n")}\n\n`);
}

/** A server that ended in order is no failure. */
async function sayEnd(manager: ManagerMembers<unknown>, terminal: Terminal): Promise<number> {
  const { by, error } = await manager.closed;
  if (by === "close") return 0;
  const why = error ? `: ${error.message}` : "";
  await terminal.complain(
    `referent: ${printable(`The server at "${manager.address}" has ended${why}`)}\n`,
  );
  return by === "lost" ? 1 : 0;
}

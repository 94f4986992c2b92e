/**
 * Processes by type: what `join` gives, what `processArgs` is, what options are. Checked, never run.
 *
 * @module
 */

import type { Readable, Writable } from "node:stream";
import { type ListProxy, Manager, type QueueProxy } from "../../mod.ts";
import { Process, processArgs, type ProcessOptions, type StdioOptions } from "../../lib/process.ts";
import type { Equal, Expect } from "./expect.ts";

export async function joinGivesWhatTheFunctionReturns(): Promise<void> {
  const manager = await Manager.start();
  const list = await manager.list<number>();
  const child = new Process<ListProxy<string>>("file:///work.ts", {
    manager,
    export: "work",
    args: [1, list],
  });
  await child.start();
  const result = await child.join({ timeout: 5, signal: AbortSignal.abort() });
  const unknown = await new Process(new URL("file:///work.ts")).join();
  const claims: [
    Expect<Equal<typeof result, ListProxy<string>>>,
    Expect<Equal<typeof unknown, unknown>>,
    Expect<Equal<typeof child.exitCode, number | null | undefined>>,
    Expect<Equal<typeof child.exitSignal, string | null | undefined>>,
    Expect<Equal<typeof child.pid, number | undefined>>,
    Expect<Equal<typeof child.stdin, Writable | null>>,
    Expect<Equal<typeof child.stdout, Readable | null>>,
  ] = [true, true, true, true, true, true, true];
  void claims;
  // @ts-expect-error It has no such property to set.
  child.exitCode = 1;
}

export async function argumentsHaveTheTypesThatTheScriptSays(): Promise<void> {
  const [queue, n] = await processArgs<[QueueProxy<string>, number]>();
  const untyped = await processArgs();
  const claims: [
    Expect<Equal<typeof queue, QueueProxy<string>>>,
    Expect<Equal<typeof n, number>>,
    Expect<Equal<typeof untyped, unknown[]>>,
  ] = [true, true, true];
  void claims;
  // @ts-expect-error Arguments are an array.
  await processArgs<string>();
}

const stdio: StdioOptions = ["pipe", "inherit", "ignore"];
export const good: ProcessOptions[] = [
  { runtime: "bun", stdio, daemon: true },
  { runtime: { name: "node", path: "/bin/node", args: ["--trace-warnings"] }, stdio: "pipe" },
  { permissions: ["--allow-read"], detached: true, startTimeout: 1000, env: { A: "b" } },
];
export const bad: ProcessOptions[] = [
  // @ts-expect-error No such runtime.
  { runtime: "python" },
  // @ts-expect-error Three streams.
  { stdio: ["pipe", "pipe"] },
  // @ts-expect-error Arguments are an array.
  { args: "text" },
];

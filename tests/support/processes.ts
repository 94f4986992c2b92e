/**
 * Processes of tests: functions and scripts of `fixtures/process/` in any runtime, and a manager in
 * this process that they can reach.
 *
 * Above: the tests of processes. Below: runtimes.ts, the library.
 *
 * @module
 */
import { createInterface } from "node:readline";
import { Manager } from "../../mod.ts";
import { Process, type ProcessOptions } from "../../lib/process.ts";
import { fixture, type RuntimeName, runtimePath } from "./runtimes.ts";

/** The functions that tests run. */
export const functions: URL = fixture("process/functions.ts");

/** What the option `runtime` takes. */
export function inRuntime(name: RuntimeName): { name: RuntimeName; path: string } {
  return { name, path: runtimePath(name) };
}

/** Starts an exported function of the fixture. */
export async function startFunction<R>(
  name: string,
  options: ProcessOptions = {},
): Promise<Process<R>> {
  const child = new Process<R>(functions, { export: name, startTimeout: 60_000, ...options });
  await child.start();
  return child;
}

/** Starts a script of the fixtures. */
export async function startFixture(name: string, options: ProcessOptions = {}): Promise<Process> {
  const child = new Process(fixture(`process/${name}`), { startTimeout: 60_000, ...options });
  await child.start();
  return child;
}

/** Gives a manager whose server is in this process. */
export async function withManager<T>(use: (manager: Manager) => Promise<T>): Promise<T> {
  const server = await Manager.serve();
  const manager = await Manager.connect({ env: server.env });
  try {
    return await use(manager);
  } finally {
    await manager.close();
    await server.close();
  }
}

/** A talk with `obeys.ts`, whose stdin and stdout are pipes. */
export interface Talk {
  /** What it says next. */
  heard(): Promise<string>;
  /** What it says to a word. */
  ask(word: string): Promise<string>;
}

/** Resolves once the script is ready. */
export async function talkWith(child: Process): Promise<Talk> {
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  const heard = async () => (await lines.next()).value as string;
  if (await heard() !== "ready") throw new Error("The script did not say that it is ready");
  const ask = (word: string) => {
    child.stdin!.write(`${word}\n`);
    return heard();
  };
  return { heard, ask };
}

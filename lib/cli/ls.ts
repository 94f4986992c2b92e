/**
 * `referent ls`: the managers of this user.
 *
 * Above: main.ts. Below: the directories of named managers and of sockets.
 *
 * @module
 */

import { lstat } from "node:fs/promises";
import { join as joinPath } from "node:path";
import { listNamed, type NamedManager } from "../manager/named.ts";
import { currentUid, type Terminal } from "../runtime.ts";
import { answers, socketDirectories } from "../wire/socket_directory.ts";
import type { Command, CommandLine } from "./command.ts";
import { join } from "./target.ts";
import { type Cell, jsonLine, printable, table } from "./text.ts";

/** Milliseconds that a server has to say what it holds; one that is stuck is still listed. */
const patience = 2_000;

/** What is known of one manager; null is what is not. */
interface Listed {
  /** Null: one that `Manager.start()` or `referent serve` made, without a name. */
  readonly name: string | null;
  readonly address: string | null;
  readonly pid: number | null;
  /** Whether somebody accepts connections at the address. */
  readonly alive: boolean;
  readonly sessions: number | null;
  readonly objects: number | null;
  /** Why it cannot be joined. */
  readonly problem: string | null;
}

/** The command. */
export const ls: Command = {
  name: "ls",
  words: [],
  options: {},
  summary: "lists the managers of this user",
  details: `
Those with a name, and those without that Manager.start() or "referent serve"
made. "-" is what is not known: only where the key file can be read the server
is asked what it holds. The session that asks is not counted.`,
  run: runLs,
};

async function runLs({ options }: CommandLine, terminal: Terminal): Promise<number> {
  const listed = await managers();
  if (options.has("json")) await terminal.print(jsonLine(listed));
  else if (listed.length === 0) await terminal.print("No managers of this user\n");
  else await terminal.print(`${[...tableOf(listed), ...problemsOf(listed)].join("\n")}\n`);
  return 0;
}

async function managers(): Promise<Listed[]> {
  const [named, sockets] = await Promise.all([listNamed(), socketsOfUser()]);
  const unnamed = sockets.map((path) => `unix:${path}`)
    .filter((address) => !named.some((manager) => manager.address === address));
  return await Promise.all([...named.map(describeNamed), ...unnamed.map(describeUnnamed)]);
}

async function describeNamed(
  { name, address, pid, alive, problem }: NamedManager,
): Promise<Listed> {
  const contents = alive && problem === undefined ? await contentsOf(name) : unknown;
  return {
    name,
    address: address ?? null,
    pid: pid ?? null,
    alive,
    ...contents,
    problem: problem ?? null,
  };
}

async function describeUnnamed(address: string): Promise<Listed> {
  // What cannot be connected to does not answer.
  const alive = await answers(address.slice("unix:".length)).catch(() => false);
  const contents = alive ? await contentsOf(address) : unknown;
  return { name: null, address, pid: null, alive, ...contents, problem: null };
}

type Contents = Pick<Listed, "sessions" | "objects"> & { pid?: number };

const unknown: Contents = { sessions: null, objects: null };

/** What a server holds; unknown if its key is its starter's only, or if it is stuck. */
async function contentsOf(target: string): Promise<Contents> {
  try {
    const manager = await join(target, patience);
    try {
      const { pid, sessions, objects } = await manager.debugInfo();
      // This is one of the sessions.
      return { pid, sessions: Object.keys(sessions).length - 1, objects: objects.length };
    } finally {
      await manager.close();
    }
  } catch {
    return unknown;
  }
}

/** The sockets that `newSocketPath()` named, of this user's servers. */
async function socketsOfUser(): Promise<string[]> {
  const directories = await socketDirectories();
  const owned = await Promise.all(
    directories.map(async (directory) => {
      const path = joinPath(directory, "s");
      const socket = await lstat(path).catch(() => undefined);
      return socket?.isSocket() && socket.uid === (currentUid() ?? socket.uid) ? [path] : [];
    }),
  );
  return owned.flat().sort();
}

function tableOf(listed: readonly Listed[]): string[] {
  const rows = listed.map(({ name, address, pid, alive, sessions, objects }): Cell[] => [
    name ?? "-",
    alive ? "yes" : "no",
    pid ?? "-",
    sessions ?? "-",
    objects ?? "-",
    address ?? "-",
  ]);
  return table(["NAME", "ALIVE", "PID", "SESSIONS", "OBJECTS", "ADDRESS"], rows);
}

function problemsOf(listed: readonly Listed[]): string[] {
  return listed.flatMap(({ name, problem }) => {
    return problem === null ? [] : [printable(`${name}: ${problem}`)];
  });
}

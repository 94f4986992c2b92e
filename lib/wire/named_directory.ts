/**
 * The directory of a named manager: what its files are called, and which of them a server may remove
 * when it ends.
 *
 * `manager.json` is the key file of the server that has the name. It is replaced or removed only by
 * that server while it still listens, or by the leader of an election (manager/election.ts) that
 * found that nobody listens there any more. So the two never meet.
 *
 * Above: server/main.ts, manager/. Below: key_file.ts, socket_directory.ts.
 *
 * @module
 */

import { rmdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { readKeyFile } from "./key_file.ts";
import { logName, randomName } from "./socket_directory.ts";

/** The path of the key file of the server that has the name. */
export function namedKeyFile(directory: string): string {
  return join(directory, "manager.json");
}

/** The path of a server's socket; none is used twice. */
export function newNamedSocket(directory: string): string {
  return join(directory, `s-${randomName().slice(0, 8)}`);
}

/** The path of a socket that becomes a lock; none is used twice. */
export function newDraft(directory: string): string {
  return join(directory, `x-${randomName().slice(0, 8)}`);
}

/** The path of a lock. */
export function lockFile(directory: string, number: number): string {
  return join(directory, `lock.${number}`);
}

/** What a file in the directory is. */
export type NamedFile = "key" | "draft" | "socket" | "lock" | "log" | "unknown";

/** What the file of this name is, and the number of a lock. */
export function namedFile(name: string): { kind: NamedFile; number: number } {
  const lock = /^lock\.([1-9]\d{0,14})$/.exec(name);
  if (lock) return { kind: "lock", number: Number(lock[1]) };
  const kind = name === "manager.json"
    ? "key"
    : /^manager\.json\.[0-9a-f]+$/.test(name)
    ? "draft"
    : /^[sx]-[0-9a-f]+$/.test(name)
    ? "socket"
    : name === logName
    ? "log"
    : "unknown";
  return { kind, number: 0 };
}

/** Whether the server at the address has the name of the directory. */
export function hasName(directory: string, address: string): boolean {
  return readKeyFile(namedKeyFile(directory))?.address === address;
}

/**
 * Takes the name from the server at the address, which still listens: nobody takes the place of one
 * that answers. Another server's files stay. The key file goes last: whoever misses it begins anew.
 */
export function giveUpName(directory: string, address: string): void {
  if (!hasName(directory, address)) return;
  rmSync(join(directory, logName), { force: true });
  rmSync(namedKeyFile(directory), { force: true });
}

/** Removes the directory, and the one that it is in, as far as nothing is in them. */
export function removeNamedDirectory(directory: string): void {
  for (const path of [directory, dirname(directory)]) {
    try {
      rmdirSync(path);
    } catch {
      // Somebody uses it, it is gone already, or a restricted Deno may not: it may stay.
    }
  }
}

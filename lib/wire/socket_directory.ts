/**
 * The files of Unix sockets: a private directory for each, the path's length, stale files, and
 * leaving nothing behind.
 *
 * Above: `transport.ts`, and whoever chooses the path for a server that it starts.
 * Below: `address.ts`, the file system.
 *
 * @module
 */

import type { BigIntStats } from "node:fs";
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  promises,
  renameSync,
  rmdirSync,
  unlinkSync,
} from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { maxTimeout } from "../limits.ts";
import { currentUid } from "../runtime.ts";
import { maxSocketPathBytes, pathBytes } from "./address.ts";

/** What {@linkcode newSocketPath} calls its directories. */
const directoryName = /^referent-[0-9a-f]{16}$/;
/** Milliseconds after which a directory whose server does not answer counts as abandoned. */
const abandonedAfter = 10_000;

/** The file beside the socket that a detached server's output goes to. */
export const logName = "server.log";

/** The key file of the server at a socket, where its host writes one. */
export function keyFileBeside(path: string): string {
  return `${path}.json`;
}

/** Which file this is, whatever its name is now. */
export interface FileIdentity {
  dev: bigint;
  ino: bigint;
}

/**
 * The path for a new socket in a new directory of the system's temporary directory, or of `/tmp`
 * where the former is too long or has a comma, which no permission of Deno can name. Nothing is made
 * yet.
 */
export function newSocketPath(): string {
  const name = `referent-${randomName()}`;
  const path = join(temporaryDirectory(), name, "s");
  if (pathBytes(path) <= maxSocketPathBytes && !path.includes(",")) return path;
  return join("/tmp", name, "s");
}

/** The directories that {@linkcode newSocketPath} named, of whatever user. */
export async function socketDirectories(): Promise<string[]> {
  const parents = new Set([temporaryDirectory(), "/tmp"]);
  const found = await Promise.all([...parents].map(async (parent) => {
    const names = await promises.readdir(parent).catch(() => []);
    return names.filter((name) => directoryName.test(name)).map((name) => join(parent, name));
  }));
  return found.flat();
}

/**
 * Removes what servers left that were killed together with their starters: directories of this user
 * whose socket refuses. What cannot be looked at or removed stays.
 */
export async function removeAbandonedSockets(): Promise<void> {
  const directories = await socketDirectories();
  await Promise.all(directories.map(async (directory) => {
    try {
      const { uid, mtimeMs } = await promises.lstat(directory);
      // A server that starts has bound its socket and not listened yet.
      if (uid !== currentUid() || Date.now() - mtimeMs < abandonedAfter) return;
      const path = join(directory, "s");
      await removeStaleSocket(path);
      await promises.unlink(keyFileBeside(path)).catch(ignoreAbsent);
      removeSocketDirectory(directory);
    } catch {
      // Somebody listens there, or it is another user's: not ours to remove.
    }
  }));
}

/**
 * Makes the directory of a socket. One that is there already is taken if it is what it must be.
 *
 * @throws If it is not this user's, has not the mode 0700 or is a symbolic link.
 */
export function makeSocketDirectory(directory: string): void {
  const existed = makeDirectory(directory);
  checkSocketDirectory(directory, existed);
}

/**
 * Refuses a directory in which another user may have put a socket.
 *
 * @throws If it is not this user's, has not the mode 0700 or is a symbolic link.
 */
export function checkSocketDirectory(directory: string, existed = true): void {
  const found = lstatSync(directory);
  const uid = currentUid();
  if (!found.isDirectory()) throw new Error(`"${directory}" is not a directory`);
  if ((found.mode & 0o777) !== 0o700) {
    throw new Error(`The directory "${directory}" has mode ${octal(found.mode)}, not 700`);
  }
  if (uid === undefined ? existed : found.uid !== uid) {
    throw new Error(`The directory "${directory}" belongs to user ${found.uid}, not to this one`);
  }
}

/**
 * Removes the socket file of a server that is gone, so that the path can be bound.
 *
 * @throws If a server still listens there or the file is no socket; nothing is removed then.
 */
export async function removeStaleSocket(path: string): Promise<void> {
  const found = identify(path);
  if (found === undefined) return;
  if (!found.isSocket()) {
    throw new Error(`Cannot listen on "unix:${path}": the file exists and is not a socket`);
  }
  if (await answers(path)) {
    throw new Error(`Cannot listen on "unix:${path}": address in use, a server listens there`);
  }
  // Another start may have replaced the file meanwhile; that one is not stale.
  if (!same(identify(path), found)) return;
  try {
    unlinkSync(path);
  } catch (error) {
    ignoreAbsent(error);
  }
}

/** Which file is at the path now; the one that was just bound. */
export function socketIdentity(path: string): FileIdentity {
  const { dev, ino } = lstatSync(path, { bigint: true });
  return { dev, ino };
}

/**
 * Closes the server of a socket with `close` and removes the socket's file if it is still the one
 * that was made. Each runtime unlinks the path inside `server.close()`, whatever is there: a file
 * that has taken the place is moved aside for that moment.
 */
export function closeSocketFile(path: string, made: FileIdentity, close: () => void): void {
  const now = identify(path);
  if (now === undefined) return close();
  if (same(now, made)) {
    close();
    if (same(identify(path), made)) unlinkSync(path);
    return;
  }
  const aside = `${path}.${randomName()}`;
  renameSync(path, aside);
  try {
    close();
  } finally {
    renameSync(aside, path);
  }
}

/**
 * Removes the directory of a socket with the log of its server; whatever else somebody put there
 * stays, and so does it.
 */
export function removeSocketDirectory(directory: string): void {
  const removals = [() => unlinkSync(join(directory, logName)), () => rmdirSync(directory)];
  for (const remove of removals) {
    try {
      remove();
    } catch {
      // Not there, or not empty: nothing of ours is left in it.
    }
  }
}

function temporaryDirectory(): string {
  try {
    return tmpdir();
  } catch {
    return "/tmp"; // without the permission to read TMPDIR
  }
}

/** 16 hexadecimal digits. */
export function randomName(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(8));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Whether the directory was there already. */
function makeDirectory(directory: string): boolean {
  try {
    mkdirSync(directory, { mode: 0o700 });
    chmodSync(directory, 0o700); // whatever the umask takes away
    return false;
  } catch (error) {
    if ((error as { code?: unknown }).code !== "EEXIST") throw error;
    return true;
  }
}

function identify(path: string): BigIntStats | undefined {
  try {
    return lstatSync(path, { bigint: true });
  } catch (error) {
    return ignoreAbsent(error);
  }
}

function same(a: FileIdentity | undefined, b: FileIdentity): boolean {
  return a !== undefined && a.dev === b.dev && a.ino === b.ino;
}

function ignoreAbsent(error: unknown): undefined {
  if ((error as { code?: unknown }).code !== "ENOENT") throw error;
}

/** Whether somebody accepts at the path; a full backlog is somebody, a file left behind is not. */
export async function answers(path: string): Promise<boolean> {
  try {
    const socket = await reach({ path });
    socket?.destroy();
    return socket !== undefined;
  } catch (error) {
    if (isPassing(error)) return true;
    throw error;
  }
}

/** Whether somebody listens who is full, or ended in this moment: try again. */
export function isPassing(error: unknown): boolean {
  const { code } = error as { code?: unknown };
  return code === "EAGAIN" || code === "ECONNRESET" || code === "EPIPE";
}

/** Whether a file is there on which nobody listens: it is not enough that none is there. */
export async function isAbandoned(path: string): Promise<boolean> {
  try {
    (await connected({ path })).destroy();
    return false;
  } catch (error) {
    return (error as { code?: unknown }).code === "ECONNREFUSED";
  }
}

/**
 * Connects to a listener; undefined if there is none. One at a path answers or refuses at once, for
 * others there is `timeout`: then the error has the code ETIMEDOUT.
 */
export async function reach(
  where: SocketAddress,
  timeout?: number,
): Promise<Socket | undefined> {
  try {
    return await connected(where, timeout);
  } catch (error) {
    const { code } = error as { code?: unknown };
    if (code === "ECONNREFUSED" || code === "ENOENT") return undefined;
    throw error;
  }
}

type SocketAddress = { path: string } | { host: string; port: number };

function connected(where: SocketAddress, timeout = Infinity): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(where);
    const late = () => socket.destroy(Object.assign(new Error("timed out"), { code: "ETIMEDOUT" }));
    const timer = timeout === Infinity
      ? undefined
      : setTimeout(late, Math.min(timeout, maxTimeout));
    socket.once("close", () => clearTimeout(timer));
    socket.once("connect", () => {
      clearTimeout(timer);
      socket.off("error", reject);
      resolve(socket);
    });
    socket.on("error", reject);
    // From now on an error is followed by "close", which its user listens to.
    socket.on("error", () => {});
  });
}

function octal(mode: number): string {
  return (mode & 0o777).toString(8);
}

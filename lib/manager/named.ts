/**
 * The named managers of this user: where they live, what it takes to join one, which there are, and
 * giving a name to a server.
 *
 * Above: open.ts, cli/. Below: election.ts, wire/named_directory.ts, wire/key_file.ts.
 *
 * @module
 */

import { existsSync, rmSync } from "node:fs";
import { readdir } from "node:fs/promises";
import type { Socket } from "node:net";
import { dirname, isAbsolute, join } from "node:path";
import {
  ConnectionClosedError,
  ManagerError,
  NameTakenError,
  ProcessError,
  ProtocolError,
} from "../errors.ts";
import { currentUid, environment, isPermissionError, isWindows } from "../runtime.ts";
import { checkSocketPath } from "../wire/address.ts";
import { isUsable, type KeyFile, readKeyFile, writeKeyFile } from "../wire/key_file.ts";
import {
  giveUpName,
  namedFile,
  namedKeyFile,
  newNamedSocket,
  removeNamedDirectory,
} from "../wire/named_directory.ts";
import { protocolVersion } from "../wire/protocol.ts";
import {
  answers,
  checkSocketDirectory,
  isAbandoned,
  makeSocketDirectory,
  reach,
} from "../wire/socket_directory.ts";
import { parseAddress } from "../wire/transport.ts";
import { contend, Deadline } from "./election.ts";

/** Milliseconds that giving a name may take; somebody else may be starting a server for it. */
const registerTimeout = 10_000;

/** Milliseconds in which a server accepts a connection, unless it hangs. */
const acceptTimeout = 5_000;

/** A manager that has a name. */
export interface NamedManager {
  readonly name: string;
  /** Where its server listens, if its file says so. */
  readonly address?: string;
  /** The process of the server. */
  readonly pid?: number;
  /** Whether somebody listens there; if not, its server was killed, and `Manager.open` starts another. */
  readonly alive: boolean;
  /** Why it cannot be joined. */
  readonly problem?: string;
}

/**
 * The directory of the manager of this name. Nothing is made yet.
 *
 * @throws {TypeError} If that is no name.
 */
export function namedDirectory(name: string): string {
  if (!isName(name)) {
    throw new TypeError(
      `The name of a manager is made of 1 to 64 letters, digits, ".", "_" and "-", and is not "." or "..", got "${
        String(name)
      }"`,
    );
  }
  const directory = join(baseDirectory(), name);
  checkSocketPath(newNamedSocket(directory));
  return directory;
}

function isName(name: unknown): boolean {
  return typeof name === "string" && /^[A-Za-z0-9._-]{1,64}$/.test(name) && !/^\.\.?$/.test(name);
}

/** Makes the directory, and the one that all are in, or checks those that are there. */
export function makeNamedDirectory(directory: string): void {
  const base = dirname(directory);
  for (let tries = 100;; tries--) {
    try {
      makeSocketDirectory(base);
      return makeSocketDirectory(directory);
    } catch (error) {
      // A server that ends has just removed it; or nothing can be made there, as in /proc.
      if (tries > 0 && isAbsent(error) && existsSync(dirname(base))) continue;
      throw unfit(error, directory);
    }
  }
}

/**
 * What it takes to join the manager of this name.
 *
 * @throws {ConnectionClosedError} If there is none.
 * @throws {ProtocolError} If it is of another release.
 */
export async function readNamed(name: string): Promise<KeyFile> {
  const directory = namedDirectory(name);
  checkNamedDirectory(directory);
  const found = await livingServer(directory);
  found?.socket.destroy();
  if (found) return found.keyFile;
  throw new ConnectionClosedError(
    `No manager is named "${name}" in "${
      dirname(directory)
    }": Manager.open("${name}") would start it`,
  );
}

/** The named managers of this user, by name. */
export async function listNamed(): Promise<NamedManager[]> {
  const base = baseDirectory();
  try {
    checkSocketDirectory(base);
    const found = await Promise.all((await readdir(base)).sort().map((name) => look(base, name)));
    return found.filter((manager) => manager !== undefined);
  } catch (error) {
    if (isAbsent(error)) return [];
    throw unfit(error, base, base);
  }
}

/**
 * Gives the name to a server that listens: `Manager.open` joins it. The returned function takes the
 * name away, and must be called before the server ends, or after it ended by itself.
 *
 * @throws {NameTakenError} If a server has the name.
 */
export async function register(name: string, content: KeyFile): Promise<() => Promise<void>> {
  const directory = namedDirectory(name);
  if (!["unix", "tcp"].includes(parseAddress(content.address).kind)) {
    throw new TypeError(
      `A server at "${content.address}" cannot have a name, only one at a unix: or tcp: address`,
    );
  }
  await act(directory, `Cannot give the name "${name}"`, async () => {
    const living = await livingServer(directory);
    living?.socket.destroy();
    if (living && !isPredecessor(living.keyFile, content)) throw taken(name, living.keyFile);
    await removeLeftovers(directory);
    writeKeyFile(namedKeyFile(directory), content);
  });
  return () =>
    act(directory, `Cannot take the name "${name}" away`, async () => {
      await Promise.resolve();
      // One that ended by itself may have a successor at its address.
      if (readKeyFile(namedKeyFile(directory))?.pid !== content.pid) return;
      giveUpName(directory, content.address);
    });
}

/** Whether a key file is of a server that was killed at the address where this one listens now. */
function isPredecessor(old: KeyFile, { address, pid }: KeyFile): boolean {
  return old.address === address && old.pid !== pid;
}

/** Does something while nobody else starts a server for the name or gives it to one. */
async function act(directory: string, what: string, action: () => Promise<void>): Promise<void> {
  const done = async () => {
    await action();
    return true;
  };
  await settle(directory, new Deadline(what, registerTimeout), () => Promise.resolve(false), done);
}

/**
 * Gives what `find` finds, or else what `make` makes while nobody else does; whoever waits for
 * another one's making tries to find it again, and so does whose `make` gives nothing.
 *
 * @throws {TimeoutError} If that takes too long.
 */
export async function settle<T>(
  directory: string,
  deadline: Deadline,
  find: () => Promise<T | Missing>,
  make: () => Promise<T | Missing>,
): Promise<T> {
  for (;;) {
    makeNamedDirectory(directory);
    try {
      const found = await find() || await lead(directory, deadline, find, make);
      if (found) return found;
    } finally {
      removeNamedDirectory(directory);
    }
    if (deadline.rest === 0) throw deadline.error("the server ends as soon as it is found");
  }
}

async function lead<T>(
  directory: string,
  deadline: Deadline,
  find: () => Promise<T | Missing>,
  make: () => Promise<T | Missing>,
): Promise<T | Missing> {
  const leadership = await contend(directory, deadline);
  if (!leadership) return undefined;
  try {
    // Somebody may have made it before this one came to lead.
    return await find() || await make();
  } finally {
    leadership.resign();
  }
}

/** There is none. */
type Missing = undefined | false;

function taken(name: string, { address, pid }: KeyFile): NameTakenError {
  return new NameTakenError(
    `The name "${name}" is taken by the manager at "${address}" (process ${pid}): choose another, or end that one`,
  );
}

/** A server that accepts connections, and the first of them. */
export interface LivingServer {
  readonly keyFile: KeyFile;
  readonly socket: Socket;
}

/**
 * The server that has the name of the directory, and a connection to it; undefined if there is none,
 * or if it is dead.
 *
 * @throws {ConnectionClosedError} If it has not accepted the connection after `timeout` milliseconds.
 * @throws {ProtocolError} If one listens that this release cannot join.
 */
export async function livingServer(
  directory: string,
  timeout: number = acceptTimeout,
): Promise<LivingServer | undefined> {
  const keyFile = readKeyFile(namedKeyFile(directory));
  if (keyFile === undefined) return undefined;
  const parsed = addressOf(keyFile);
  if (parsed === undefined) return await refuseUnknown(directory, keyFile);
  if (parsed.kind === "memory") return undefined;
  const socket = await reach(parsed, timeout).catch((cause) => {
    if (cause.code !== "ETIMEDOUT") throw cause;
    throw new ConnectionClosedError(doesNotAnswer(keyFile), { cause });
  });
  if (socket === undefined) return undefined;
  if (isUsable(keyFile)) return { keyFile, socket };
  socket.destroy();
  throw otherRelease(directory, keyFile);
}

/** What is said of a server that hangs. */
export function doesNotAnswer({ address, pid }: Partial<KeyFile>): string {
  return `the server at "${address}" does not answer; if it hangs, end process ${pid}`;
}

function otherRelease(directory: string, { version, pid, address }: Partial<KeyFile>): Error {
  return new ProtocolError(
    `The server at "${address}" speaks version "${version}" of the protocol, this program version "${protocolVersion}": use the same release of @referent/manager, or end process ${pid} with SIGTERM ("${
      namedKeyFile(directory)
    }" names it)`,
  );
}

function addressOf({ address }: Partial<KeyFile>): ReturnType<typeof parseAddress> | undefined {
  try {
    if (typeof address === "string") return parseAddress(address);
  } catch {
    // It is of a form that only another release knows.
  }
}

/** A key file that says nothing: if a server listens beside it, it may be that one's. */
async function refuseUnknown(directory: string, keyFile: Partial<KeyFile>): Promise<undefined> {
  const { address, version } = keyFile;
  if (address !== undefined && version !== protocolVersion) throw otherRelease(directory, keyFile);
  for (const path of await serverSockets(directory)) {
    if (!await answers(path)) continue;
    throw new ProtocolError(
      `Cannot read "${
        namedKeyFile(directory)
      }", and a server listens at "unix:${path}": another release may have written it; end that server with SIGTERM`,
    );
  }
}

/** Removes what dead servers and contenders left; for the leader, who knows that the server is dead. */
export async function removeLeftovers(directory: string, log = false): Promise<void> {
  for (const name of await readdir(directory)) {
    const { kind } = namedFile(name);
    const path = join(directory, name);
    if (kind === "unknown" || (kind === "log" && !log)) continue;
    // What is not there any more when it is looked at may come back, and live; what refuses never does.
    // A socket may be bound and not yet listen: its process will find it gone, and end or try again.
    if ((kind === "socket" || kind === "lock") && !await isAbandoned(path)) continue;
    rmSync(path, { force: true });
  }
}

async function serverSockets(directory: string): Promise<string[]> {
  const names = await readdir(directory);
  return names.filter((name) => name.startsWith("s-")).map((name) => join(directory, name));
}

async function look(base: string, name: string): Promise<NamedManager | undefined> {
  if (!isName(name)) return undefined;
  const directory = join(base, name);
  try {
    checkNamedDirectory(directory);
    const keyFile = readKeyFile(namedKeyFile(directory));
    if (keyFile === undefined) return undefined;
    const { address, pid } = keyFile;
    try {
      const living = await livingServer(directory);
      living?.socket.destroy();
      return { name, address, pid, alive: living !== undefined };
    } catch (error) {
      return { name, address, pid, alive: true, problem: (error as Error).message };
    }
  } catch (error) {
    if (isAbsent(error)) return undefined;
    return { name, alive: false, problem: (error as Error).message };
  }
}

/** Refuses a directory, or one that it is in, into which another user may have put something. */
function checkNamedDirectory(directory: string): void {
  try {
    checkSocketDirectory(dirname(directory));
    checkSocketDirectory(directory);
  } catch (error) {
    if (!isAbsent(error)) throw unfit(error, directory);
  }
}

/** Where the directories of all named managers are. */
function baseDirectory(): string {
  if (isWindows) {
    throw new ProcessError(
      "Managers have no names on Windows, whose sockets have no permissions: use WSL, or Manager.serve()",
    );
  }
  const chosen = environment("REFERENT_DIR");
  const user = currentUid();
  if (user === undefined) {
    throw new ManagerError(
      "Cannot find this user's managers without the user's id: run the program with --allow-sys=uid",
    );
  }
  if (!chosen) return `/tmp/referent-${user}`;
  if (isAbsolute(chosen)) return chosen;
  throw new TypeError(`The variable REFERENT_DIR must be an absolute path, got "${chosen}"`);
}

/** Why managers cannot live there, and what to do. */
function unfit(error: unknown, directory: string, base: string = dirname(directory)): Error {
  const cure = isPermissionError(error)
    ? permissionCure(base)
    : isAbsent(error) && !existsSync(dirname(base))
    ? `; "${dirname(base)}" must be there`
    : `; make "${base}" this user's own with mode 700, or choose another with REFERENT_DIR`;
  return new ManagerError(`Cannot use "${directory}": ${(error as Error).message}${cure}`, {
    cause: error,
  });
}

/** The flags of a Deno program that opens managers. */
export function permissionCure(base: string): string {
  return `\nRun the program with --allow-net --allow-read=${base} --allow-write=${base} --allow-sys=uid --allow-env=REFERENT_DIR; to start a manager, also with --allow-run, and --allow-env without a list`;
}

function isAbsent(error: unknown): boolean {
  return (error as { code?: unknown }).code === "ENOENT";
}

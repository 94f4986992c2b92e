/**
 * Who starts the manager of a name: at most one process at a time leads, however many want to and
 * whoever of them is killed or stopped when.
 *
 * There is no flock in JavaScript, but a listening socket says that its process lives: one can
 * connect to it, also while the process is stopped, and its death refuses and closes whatever was
 * connected. A lock is such a socket:
 *
 * - A contender listens on a path of its own and links it to `lock.<n>`, n one more than the highest
 *   that is there. Linking is exclusive, and a lock listens from its first moment on: one that
 *   refuses is dead for ever. Only a leader removes it, and nothing but what refused: so nobody
 *   removes another's that lives.
 * - It leads if then no other lock lives. Of two that live together the one that was linked later
 *   looks when the other is there, and sees it: it withdraws if its number is higher, and waits for
 *   the other's end if it is lower, as one may be that was slow and took a number that had become
 *   free. So the lowest never withdraws, and two never lead.
 * - Everybody else connects to a living lock and waits for the end of the connection, which the
 *   leader's resignation brings, and its death as well.
 *
 * The directory cannot be removed under a contender: it is not empty. A contender that is too late to
 * find it looks again. Whoever leads begins by looking whether somebody has started the manager
 * meanwhile.
 *
 * Above: open.ts, named.ts. Below: wire/named_directory.ts, sockets.
 *
 * @module
 */

import { linkSync, rmSync } from "node:fs";
import { readdir } from "node:fs/promises";
import type { Socket } from "node:net";
import { join } from "node:path";
import { setTimeout } from "node:timers";
import { TimeoutError } from "../errors.ts";
import { inTime } from "../in_time.ts";
import { holdSocket } from "../runtime.ts";
import { lockFile, namedFile, newDraft } from "../wire/named_directory.ts";
import { answers, isPassing, reach } from "../wire/socket_directory.ts";

/** Until when something must have happened. */
export class Deadline {
  readonly #what: string;
  readonly #timeout: number;
  readonly #end: number;

  /** `what` begins the message of its error. */
  constructor(what: string, timeout: number) {
    this.#what = what;
    this.#timeout = timeout;
    this.#end = performance.now() + timeout;
  }

  /** The milliseconds that are left, as a whole number. */
  get rest(): number {
    return Math.max(0, Math.ceil(this.#end - performance.now()));
  }

  /** What is thrown if nothing is left. */
  error(why: string, cause?: unknown): TimeoutError {
    return new TimeoutError(`${this.#what} in ${this.#timeout} ms: ${why}`, { cause });
  }
}

/** Milliseconds until what was full is tried again. */
export const retryDelay = 10;

/** Nobody else leads until it ends. */
export interface Leadership {
  /** Lets the others go on. */
  resign(): void;
}

/**
 * Tries to become the leader in the directory. Undefined if somebody else was it, and is it no more,
 * or if the directory was removed: look again.
 *
 * @throws {TimeoutError} If somebody else leads too long.
 */
export async function contend(
  directory: string,
  deadline: Deadline,
): Promise<Leadership | undefined> {
  const locks = await locksIn(directory);
  for (const lock of locks) {
    if (await waitForEnd(lock, deadline)) return undefined;
  }
  const number = (locks.at(-1)?.number ?? 0) + 1;
  const candidate = await enter(directory, number);
  if (!candidate) return undefined;
  try {
    if (await prevails(directory, number, deadline)) return candidate;
  } catch (error) {
    candidate.resign();
    throw error;
  }
  candidate.resign();
}

/** A lock file; its process may be dead. */
interface Lock {
  readonly path: string;
  readonly number: number;
}

/** The locks in the directory, the lowest first; none if it is not there. */
async function locksIn(directory: string): Promise<Lock[]> {
  const names = await readdir(directory).catch((error) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
  return names
    .map((name) => ({ ...namedFile(name), path: join(directory, name) }))
    .filter(({ kind }) => kind === "lock")
    .sort((a, b) => a.number - b.number);
}

/** Listens, and becomes the lock of this number; undefined if another is it, or the directory went. */
async function enter(directory: string, number: number): Promise<Leadership | undefined> {
  const draft = newDraft(directory);
  const path = lockFile(directory, number);
  let close: (() => void) | undefined;
  try {
    close = await holdSocket(draft);
    linkSync(draft, path);
  } catch (error) {
    close?.();
    // EACCES is what libuv says when the directory of a socket is not there.
    const { code } = error as { code?: string };
    if (["EEXIST", "ENOENT", "EACCES"].includes(code ?? "")) return undefined;
    throw error;
  } finally {
    // Closing unlinks it in some runtimes, whatever is there: nobody else ever has this path.
    rmSync(draft, { force: true });
  }
  return {
    resign() {
      rmSync(path, { force: true });
      close();
    },
  };
}

/** Whether the lock of this number is at last the only one that lives. */
async function prevails(directory: string, number: number, deadline: Deadline): Promise<boolean> {
  for (;;) {
    const rivals = [];
    for (const lock of await locksIn(directory)) {
      if (lock.number !== number && await answers(lock.path)) rivals.push(lock);
    }
    const [rival] = rivals;
    if (!rival) return true;
    if (rival.number < number) return false;
    await waitForEnd(rival, deadline);
  }
}

/** Waits for the end of a lock; false if it is dead. */
async function waitForEnd({ path }: Lock, deadline: Deadline): Promise<boolean> {
  const socket = await reach({ path }).catch((error) => {
    if (isPassing(error)) return "full" as const;
    throw error;
  });
  if (socket === undefined) return false;
  const ended = socket === "full" ? pause(retryDelay) : closed(socket);
  if (await inTime(ended, deadline.rest)) return true;
  if (socket !== "full") socket.destroy();
  throw deadline.error(
    `another process has been starting it, and holds the lock "${path}"; if that process hangs, end it`,
  );
}

/** Resolves to true when the peer has closed the connection. */
function closed(socket: Socket): Promise<true> {
  return new Promise((resolve) => {
    socket.on("close", () => resolve(true));
    socket.resume();
  });
}

/** Resolves to true after the time. */
export function pause(milliseconds: number): Promise<true> {
  return new Promise((resolve) => void setTimeout(() => resolve(true), milliseconds));
}

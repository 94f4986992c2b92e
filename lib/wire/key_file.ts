/**
 * The key file of a server: all it takes to join it, readable by its user only. That of a named
 * manager is `manager.json` in the manager's directory.
 *
 * Above: named_directory.ts, manager/. Below: the file system.
 *
 * @module
 */

import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { ManagerError } from "../errors.ts";
import { currentUid } from "../runtime.ts";
import { protocolVersion } from "./protocol.ts";
import { randomName } from "./socket_directory.ts";

/** What a key file says. */
export interface KeyFile {
  /** The version of the protocol. */
  readonly version: number;
  /** Where the server listens. */
  readonly address: string;
  /** As in `REFERENT_AUTHKEY`. */
  readonly authkey: string;
  /** The name of the serializer. */
  readonly serializer: string;
  /** The process of the server. */
  readonly pid: number;
}

/**
 * Reads what a key file says; undefined if there is none. What is missing was written by another
 * release, or by somebody else.
 *
 * @throws {ManagerError} If another user could have written it or can read it.
 */
export function readKeyFile(path: string): Partial<KeyFile> | undefined {
  const text = readPrivately(path);
  if (text === undefined) return undefined;
  try {
    const content: unknown = JSON.parse(text);
    return typeof content === "object" && content !== null ? content : {};
  } catch {
    return {};
  }
}

/** Whether this release can use it. */
export function isUsable(content: Partial<KeyFile>): content is KeyFile {
  return content.version === protocolVersion && typeof content.pid === "number" &&
    [content.address, content.authkey, content.serializer].every((text) => {
      return typeof text === "string";
    });
}

/** Writes a key file, or puts it in the place of another: it is never half there. */
export function writeKeyFile(path: string, content: KeyFile): void {
  const draft = `${path}.${randomName()}`;
  try {
    writeFileSync(draft, JSON.stringify(content), { mode: 0o600, flag: "wx" });
    renameSync(draft, path);
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  }
}

/** The text of a file that only this user can read or write; undefined if there is none. */
function readPrivately(path: string): string | undefined {
  const descriptor = open(path);
  if (descriptor === undefined) return undefined;
  try {
    const found = fstatSync(descriptor);
    const { uid, mode } = found;
    const user = currentUid();
    if (user !== undefined && uid !== user) {
      throw new ManagerError(
        `The key file "${path}" belongs to user ${uid}, not to this one: remove it`,
      );
    }
    if (user !== undefined && (mode & 0o077) !== 0) {
      throw new ManagerError(
        `The key file "${path}" has mode ${
          (mode & 0o777).toString(8)
        }, so others may know the key: it must have mode 600; end its server and remove it`,
      );
    }
    if (!found.isFile()) {
      throw new ManagerError(`Cannot read the key file "${path}": it is no file`);
    }
    return readFileSync(descriptor, "utf8");
  } finally {
    closeSync(descriptor);
  }
}

function open(path: string): number | undefined {
  try {
    // Neither follows a link nor waits for somebody who writes into a pipe.
    return openSync(
      path,
      constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0),
    );
  } catch (error) {
    const { code } = error as { code?: unknown };
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    const why = code === "ELOOP" ? "it is a symbolic link" : (error as Error).message;
    throw new ManagerError(`Cannot read the key file "${path}": ${why}`, { cause: error });
  }
}

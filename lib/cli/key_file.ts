/**
 * Key files beside sockets: `referent serve` writes `<socket>.json`, the others read it, or the
 * manager.json of a named manager's directory.
 *
 * Above: serve.ts, target.ts. Below: wire/key_file.ts.
 *
 * @module
 */

import { realpathSync, unlinkSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { ManagerError, ProtocolError } from "../errors.ts";
import { isUsable, type KeyFile, readKeyFile, writeKeyFile } from "../wire/key_file.ts";
import { namedKeyFile } from "../wire/named_directory.ts";
import { protocolVersion } from "../wire/protocol.ts";
import { keyFileBeside } from "../wire/socket_directory.ts";

/**
 * What it takes to join the server of the socket; undefined if no file says.
 *
 * @throws {ManagerError} If another user could have written the file or can read it.
 * @throws {ProtocolError} If it is of another release.
 */
export function readKeyBeside(socket: string): KeyFile | undefined {
  for (const path of [keyFileBeside(socket), namedKeyFile(dirname(socket))]) {
    const found = readKeyFile(path);
    if (!isOf(found, socket)) continue;
    if (isUsable(found)) return found;
    throw new ProtocolError(
      `The server of "${path}" (process ${found.pid}) speaks version "${found.version}" of the protocol, this program version "${protocolVersion}": use the same release of @referent/manager`,
    );
  }
  return undefined;
}

/**
 * Writes the key file of a server that listens at the socket, and gives what removes it. One that a
 * dead server left there is replaced.
 *
 * @throws {ManagerError} If the path is another file.
 */
export function writeKeyBeside(socket: string, content: KeyFile): () => void {
  const path = keyFileBeside(socket);
  const old = readKeyFile(path);
  if (old !== undefined && !isOf(old, socket)) {
    throw new ManagerError(
      `Cannot write the key file "${path}": there is another file; choose another address, or set REFERENT_AUTHKEY`,
    );
  }
  writeKeyFile(path, content);
  return () => {
    // A server that ended by itself may have a successor, with another key.
    if (readKeyFile(path)?.authkey === content.authkey) unlinkSync(path);
  };
}

/** Whether the key file is that of the socket, whatever way its directory is written. */
function isOf<F extends Partial<KeyFile>>(file: F | undefined, socket: string): file is F {
  const { address } = file ?? {};
  if (address === `unix:${socket}`) return true;
  return address?.startsWith("unix:") === true &&
    real(address.slice("unix:".length)) === real(socket);
}

function real(path: string): string {
  try {
    return join(realpathSync(dirname(path)), basename(path));
  } catch {
    return path;
  }
}

/**
 * ADDRESS|NAME of the commands: where the server is, and by which key it is joined.
 *
 * Above: the commands. Below: the key files, `Manager.connect`.
 *
 * @module
 */

import { ConnectionClosedError, ManagerError } from "../errors.ts";
import { Manager } from "../manager.ts";
import { namedDirectory, readNamed } from "../manager/named.ts";
import { environment } from "../runtime.ts";
import { serializers } from "../server/config.ts";
import { parseAddress } from "../wire/address.ts";
import type { Serializer } from "../wire/serializer.ts";
import { answers } from "../wire/socket_directory.ts";
import { UsageError } from "./command.ts";
import { readKeyBeside } from "./key_file.ts";

/** Milliseconds to connect: a server of this machine answers at once, or is stuck. */
const connectTimeout = 5_000;

/** What it takes to join a server, as texts. */
interface Access {
  readonly address: string;
  readonly authkey: string;
  readonly serializer: string;
}

/** Joins the server. `timeout` is that of each call, in milliseconds; by default there is none. */
export async function join(target: string, timeout?: number): Promise<Manager> {
  const { address, authkey, serializer } = await accessOf(target);
  const parsed = parseAddress(address);
  // `connect` would try again, since a server of the same program may be about to listen.
  if (parsed.kind === "unix" && !await answers(parsed.path)) {
    throw new ConnectionClosedError(
      `No server listens at "${address}": it has ended; "referent ls" shows those that run`,
    );
  }
  return await Manager.connect({
    address,
    authkey,
    serializer: serializerNamed(serializer),
    startTimeout: Math.min(connectTimeout, timeout ?? Infinity),
    callTimeout: timeout,
  });
}

/** The address; what is none, or is one of this thread only, is misuse. */
export function checkAddress(address: string): ReturnType<typeof parseAddress> {
  try {
    const parsed = parseAddress(address);
    if (parsed.kind !== "memory") return parsed;
  } catch (error) {
    throw new UsageError((error as Error).message, { cause: error });
  }
  throw new UsageError(`The address "${address}" is of a server in another process's memory`);
}

/** Refuses what cannot be a name. */
export function checkName(name: string): void {
  try {
    namedDirectory(name);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new UsageError(error.message, { cause: error });
  }
}

async function accessOf(target: string): Promise<Access> {
  // A name has no colon.
  if (target.includes(":")) return accessAt(target);
  checkName(target);
  return await readNamed(target);
}

function accessAt(address: string): Access {
  const parsed = checkAddress(address);
  const authkey = environmentKey(address);
  if (authkey !== undefined) {
    return { address, authkey, serializer: environment("REFERENT_SERIALIZER") || "" };
  }
  if (parsed.kind !== "unix") {
    throw new UsageError(`The key of "${address}" is needed: set REFERENT_AUTHKEY`);
  }
  const found = readKeyBeside(parsed.path);
  if (found) return found;
  throw new ManagerError(
    `No key file for "${address}": set REFERENT_AUTHKEY, or host it with "referent serve"`,
  );
}

/** The variable's key, unless it is the one of another server. */
function environmentKey(address: string): string | undefined {
  const other = environment("REFERENT_ADDRESS");
  if (other && other !== address) return undefined;
  return environment("REFERENT_AUTHKEY") || undefined;
}

function serializerNamed(name: string): Serializer | undefined {
  if (name === "") return undefined;
  const found = serializers.get(name);
  if (found) return found;
  throw new ManagerError(
    `The server uses the serializer "${name}", which "referent" does not have: there are ${
      [...serializers.keys()].join(", ")
    }`,
  );
}

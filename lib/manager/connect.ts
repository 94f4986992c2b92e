/**
 * Joining a server that runs already: from options, from the environment, or in this thread.
 *
 * Above: manager.ts, start.ts, open.ts, serve.ts. Below: client/client.ts, transport.ts.
 *
 * @module
 */

import { isDeepStrictEqual } from "node:util";
import { Client } from "../client/client.ts";
import type { ClientOptions } from "../client/options.ts";
import { type Access, environmentOf } from "../environment.ts";
import { NotExposedError, UnknownObjectError } from "../errors.ts";
import { exposedMethods } from "../types/exposure.ts";
import { ManagerFacade } from "./facade.ts";
import { type Limits, resolveLimits } from "../limits.ts";
import { checkOptions, type ConnectOptions } from "./options.ts";
import { type SharedClient, thread } from "../process/child.ts";
import { environment, runtimeName } from "../runtime.ts";
import { serializers } from "../server/config.ts";
import { type Types, typesOf } from "../types.ts";
import { authkeyBytes } from "../wire/auth.ts";
import { memoryPair } from "../wire/memory.ts";
import { messagePack, type Serializer } from "../wire/serializer.ts";
import {
  connect as openSocket,
  parseAddress,
  type TlsOptions,
  type Transport,
} from "../wire/transport.ts";

/** How a client is to behave. */
export interface ClientSettings {
  readonly limits: Limits;
  readonly startTimeout: number;
  readonly callTimeout?: number;
  readonly types: Types;
}

/** A client, and how its user parts with it. */
interface Joined {
  readonly client: Client;
  readonly leave: () => void | Promise<void>;
}

/** Milliseconds to start or to connect, unless the options say otherwise. */
export const defaultStartTimeout = 10_000;

/** A variable that may not be read looks like one that is not set. */
const permissionHint = runtimeName === "deno"
  ? "; Deno reads it with --allow-env=REFERENT_ADDRESS,REFERENT_AUTHKEY,REFERENT_SERIALIZER,REFERENT_TLS_CA"
  : "";

/** `Manager.connect`. */
export async function connect(options: ConnectOptions = {}): Promise<ManagerFacade> {
  checkOptions("connect", options);
  const settings: ClientSettings = {
    limits: resolveLimits(options.limits),
    startTimeout: options.startTimeout ?? defaultStartTimeout,
    callTimeout: options.callTimeout,
    types: typesOf(options.types),
  };
  const access = accessOf(options);
  const { client, leave } = options.address === undefined
    ? await shareClient(access, settings, options)
    : await ownClient(access, settings);
  try {
    compareTypes(client, settings.types);
  } catch (error) {
    await leave();
    throw error;
  }
  return new ManagerFacade({ client, leave, disposal: "close" });
}

/** Connects one client, over the transport if there is one already. */
export async function openClient(
  access: Access,
  settings: ClientSettings,
  transport?: Transport,
): Promise<Client> {
  const { address, tls } = access;
  const opened = transport ?? await openTransport(address, tls, settings.startTimeout);
  return await Client.connect(opened, clientOptions(access, settings));
}

/** A client of a server that has just been started: what is called waits until it is loaded. */
export async function openFirstClient(access: Access, settings: ClientSettings): Promise<Client> {
  const { address, tls } = access;
  const transport = await openTransport(address, tls, settings.startTimeout);
  return new Client(transport, clientOptions(access, settings));
}

function clientOptions(access: Access, settings: ClientSettings): ClientOptions {
  const { address, authkey, serializer } = access;
  const { startTimeout, limits, callTimeout, types } = settings;
  return {
    address,
    env: environmentOf(access),
    authkey,
    serializer,
    limits,
    timeout: startTimeout,
    callTimeout,
    errors: types.errors,
    remote: !["unix", "memory"].includes(parseAddress(address).kind),
  };
}

async function openTransport(
  address: string,
  tls: TlsOptions | undefined,
  timeout: number,
): Promise<Transport> {
  if (parseAddress(address).kind !== "memory") return await openSocket(address, { tls, timeout });
  const [ours, theirs] = memoryPair();
  memoryServer(address).server.accept(theirs);
  return ours;
}

function memoryServer(address: string) {
  const found = thread.memoryServers.get(address);
  if (found) return found;
  throw new UnknownObjectError(
    `No server in this thread has the address "${address}": it has ended or lives in another thread`,
  );
}

async function ownClient(
  access: Access,
  settings: ClientSettings,
): Promise<Joined> {
  const client = await openClient(access, settings);
  return { client, leave: () => client.close() };
}

/** All managers of this thread that join by the environment use one client; the last one closes it. */
async function shareClient(
  access: Access,
  settings: ClientSettings,
  options: ConnectOptions,
): Promise<Joined> {
  const { address } = access;
  const existing = thread.sharedClients.get(address);
  // Whoever has not the key does not get in by another's client.
  const wanted = { ...options, authkey: access.authkey };
  if (existing) refuseOtherOptions(address, wanted, existing.options);
  const shared = existing ?? newSharedClient(access, settings, wanted);
  shared.users++;
  try {
    const client = await shared.client;
    client.addErrors(settings.types.errors);
    const leave = () => {
      if (--shared.users > 0) return;
      forgetClient(address, shared);
      return client.close();
    };
    return { client, leave };
  } catch (error) {
    shared.users--;
    throw error;
  }
}

/** What a client is made with cannot be changed for a second user. */
function refuseOtherOptions(address: string, wanted: ConnectOptions, made: ConnectOptions): void {
  for (const name of ["authkey", "serializer", "tls", "limits", "callTimeout"] as const) {
    if (wanted[name] === undefined || isDeepStrictEqual(wanted[name], made[name])) continue;
    throw new TypeError(
      `Manager.connect() cannot honour the option "${name}": this thread is connected to "${address}" already, with another; pass { address } as well for a client of your own`,
    );
  }
}

function newSharedClient(
  access: Access,
  settings: ClientSettings,
  options: ConnectOptions,
): SharedClient {
  const shared = { client: openClient(access, settings), users: 0, options };
  thread.sharedClients.set(access.address, shared);
  const forget = () => forgetClient(access.address, shared);
  shared.client.then((client) => client.ended.then(forget), forget);
  return shared;
}

/** Whoever joins from now on gets a new client; one that has followed already stays. */
function forgetClient(address: string, shared: SharedClient): void {
  if (thread.sharedClients.get(address) === shared) thread.sharedClients.delete(address);
}

function accessOf(options: ConnectOptions): Access {
  const { env } = options;
  const variable = (name: string) =>
    env ? env[name] : thread.environment?.[name] ?? environment(name);
  const address = options.address ?? variable("REFERENT_ADDRESS");
  if (!address) {
    throw new TypeError(
      "Manager.connect() needs an address: pass { address, authkey }, or start this process with the manager's `env`, which sets REFERENT_ADDRESS" +
        permissionHint,
    );
  }
  if (parseAddress(address).kind === "memory") {
    const { authkey, server } = memoryServer(address);
    return {
      address,
      authkey: options.authkey === undefined ? authkey : authkeyBytes(options.authkey),
      serializer: options.serializer ?? server.serializer,
    };
  }
  const authkey = options.authkey ?? variable("REFERENT_AUTHKEY");
  if (!authkey) {
    throw new TypeError(
      `Manager.connect() needs the authkey of "${address}": pass { authkey }, or start this process with the manager's \`env\`, which sets REFERENT_AUTHKEY${permissionHint}`,
    );
  }
  const ca = variable("REFERENT_TLS_CA");
  return {
    address,
    authkey: authkeyBytes(authkey),
    serializer: options.serializer ?? namedSerializer(variable("REFERENT_SERIALIZER")),
    tls: options.tls ?? (ca && address.startsWith("tls:") ? { ca } : undefined),
  };
}

/** The serializer of a server that says its name. */
export function namedSerializer(name: string | undefined): Serializer {
  if (!name) return messagePack;
  const found = serializers.get(name);
  if (found) return found;
  throw new TypeError(
    `The server uses the serializer "${name}", which is not built in: pass it as { serializer }`,
  );
}

/** Refuses a server that lacks a typeid or a method of the types that the client was given. */
export function compareTypes(client: Client, types: Types): void {
  for (const [typeid, definition] of types.definitions) {
    const announced = client.types.get(typeid);
    const where = announced?.module ??
      [...client.types.values()].find((type) => type.module)?.module;
    const server = `the server at "${client.address}"${
      where ? ` (its types are of "${where}")` : ""
    }`;
    if (!announced) {
      throw new UnknownObjectError(
        `The typeid "${typeid}" is missing on ${server}: start it with the same types`,
      );
    }
    if (!announced.table || !definition.class) continue;
    const served = new Set(announced.table.methods.map((method) => method.name));
    for (const method of exposedMethods(definition.class.prototype, definition.exposed)) {
      if (served.has(method)) continue;
      throw new NotExposedError(
        `The method "${method}" of typeid "${typeid}" is missing on ${server}: start it with the same types`,
      );
    }
  }
}

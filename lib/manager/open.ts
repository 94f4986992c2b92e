/**
 * `Manager.open`: the one manager of a name, joined or started.
 *
 * Above: manager.ts. Below: named.ts (where it lives), election.ts (who starts it), spawn.ts.
 *
 * @module
 */

import { dirname } from "node:path";
import type { Client } from "../client/client.ts";
import type { Access } from "../environment.ts";
import { ConnectionClosedError, ManagerError } from "../errors.ts";
import { resolveLimits } from "../limits.ts";
import { isPermissionError } from "../runtime.ts";
import { register } from "../server/config.ts";
import { typesOf } from "../types.ts";
import { authkeyBytes, authkeyText, randomAuthkey } from "../wire/auth.ts";
import { writeKeyFile } from "../wire/key_file.ts";
import { namedKeyFile, newNamedSocket } from "../wire/named_directory.ts";
import { protocolVersion } from "../wire/protocol.ts";
import { messagePack } from "../wire/serializer.ts";
import { SocketTransport } from "../wire/socket.ts";
import { isPassing } from "../wire/socket_directory.ts";
import {
  type ClientSettings,
  compareTypes,
  defaultStartTimeout,
  namedSerializer,
  openClient,
} from "./connect.ts";
import { Deadline, pause, retryDelay } from "./election.ts";
import { ManagerFacade } from "./facade.ts";
import {
  doesNotAnswer,
  type LivingServer,
  livingServer,
  namedDirectory,
  permissionCure,
  removeLeftovers,
  settle,
} from "./named.ts";
import { checkOptions, type OpenOptions } from "./options.ts";
import { configOf, refuseWhileImporting, sendableSerializer, spawn } from "./start.ts";

/** Milliseconds without a session after which a named server ends, unless the options say otherwise. */
const defaultIdleTimeout = 60_000;

/** `Manager.open`. */
export async function open(name: string, options: OpenOptions = {}): Promise<ManagerFacade> {
  checkOptions("open", options);
  refuseWhileImporting();
  const directory = namedDirectory(name);
  const opening = new Opening(name, directory, options);
  try {
    const client = await opening.run();
    return new ManagerFacade({ client, leave: () => client.close(), disposal: "close" });
  } catch (error) {
    throw withFlags(error, directory);
  }
}

/** One call of `Manager.open`. */
class Opening {
  readonly #directory: string;
  readonly #options: OpenOptions;
  readonly #settings: ClientSettings;
  readonly #deadline: Deadline;
  #mayBeKilled = true;

  constructor(name: string, directory: string, options: OpenOptions) {
    const { startTimeout = defaultStartTimeout, callTimeout } = options;
    const types = typesOf(options.types);
    register(types, options.builtins ?? true); // finds what is wrong before a process is started
    this.#directory = directory;
    this.#options = options;
    const limits = resolveLimits(options.limits);
    this.#settings = { limits, startTimeout, callTimeout, types };
    this.#deadline = new Deadline(`Cannot open the manager "${name}"`, startTimeout);
  }

  async run(): Promise<Client> {
    const join = () => this.#join();
    const client = await settle(this.#directory, this.#deadline, join, async () => {
      return await this.#start() && await this.#join();
    });
    try {
      compareTypes(client, this.#settings.types);
      return client;
    } catch (error) {
      await client.close();
      throw error;
    }
  }

  /** Joins the server that has the name; undefined if there is none, or if it is dead. */
  async #join(): Promise<Client | undefined> {
    for (let failed: unknown;; await pause(retryDelay)) {
      let living: LivingServer | undefined;
      try {
        living = await livingServer(this.#directory, this.#deadline.rest);
        if (living) return await this.#enter(living);
        return undefined;
      } catch (error) {
        if (!(error instanceof ConnectionClosedError) && !isPassing(error)) throw error;
        failed = error;
      }
      if (this.#deadline.rest > 0) continue;
      throw this.#deadline.error(whatFailed(living, failed), failed);
    }
  }

  async #enter({ keyFile, socket }: LivingServer): Promise<Client> {
    const transport = new SocketTransport(socket);
    try {
      const { address } = keyFile;
      const serializer = this.#options.serializer ?? namedSerializer(keyFile.serializer);
      const access: Access = { address, serializer, authkey: authkeyBytes(keyFile.authkey) };
      const settings = { ...this.#settings, startTimeout: this.#deadline.rest };
      return await openClient(access, settings, transport);
    } catch (error) {
      transport.destroy();
      throw error;
    }
  }

  /**
   * Starts a server and gives it the name. False if somebody killed it meanwhile, the first time. For
   * the leader.
   */
  async #start(): Promise<boolean> {
    const directory = this.#directory;
    await removeLeftovers(directory);
    const { types } = this.#settings;
    const { serializer: chosen = messagePack, idleTimeout = defaultIdleTimeout } = this.#options;
    const serializer = sendableSerializer(chosen, types);
    const access: Access = {
      address: `unix:${newNamedSocket(directory)}`,
      authkey: randomAuthkey(),
      serializer,
    };
    const options = { ...this.#options, address: access.address, idleTimeout };
    const config = { ...configOf(options, types, access), namedDirectory: directory };
    const child = await spawn(options, config, this.#deadline.rest).catch(async (error) => {
      await removeLeftovers(directory, true); // the error has what the log says
      // Near the deadline it is this process that has killed it.
      const killed = error.exitSignal && this.#deadline.rest > retryDelay;
      if (!killed || !this.#mayBeKilled) throw error;
    });
    if (!child) return this.#mayBeKilled = false;
    try {
      writeKeyFile(namedKeyFile(directory), {
        version: protocolVersion,
        address: access.address,
        authkey: authkeyText(access.authkey),
        serializer: serializer.name,
        pid: child.pid,
      });
    } finally {
      child.endStdin(); // it stays if it has the name now
    }
    return true;
  }
}

function whatFailed(living: LivingServer | undefined, error: unknown): string {
  if (living) return doesNotAnswer(living.keyFile);
  return error instanceof ConnectionClosedError ? error.message : "its server is full, or hangs";
}

/** Names the permission flags where it was their lack that failed. */
function withFlags(error: unknown, directory: string): unknown {
  if (!isPermissionError(error)) return error;
  const message = `${(error as Error).message}${permissionCure(dirname(directory))}`;
  return new ManagerError(message, { cause: error });
}

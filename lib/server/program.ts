/**
 * What the program of the server process does once it is whole: it makes the server, and ends it when
 * nobody needs it any more.
 *
 * Above: main.ts. Below: config.ts, server.ts, and the pools of the server.
 *
 * @module
 */

import { ConnectionClosedError } from "../errors.ts";
import { thread } from "../process/child.ts";
import { SharedPools } from "../process/shared_pools.ts";
import { resolveLimits } from "../limits.ts";
import { writeStderr } from "../runtime.ts";
import { authkeyBytes } from "../wire/auth.ts";
import { giveUpName, hasName, removeNamedDirectory } from "../wire/named_directory.ts";
import type { Listener } from "../wire/transport.ts";
import { initialize, load, register, type ServerConfig } from "./config.ts";
import { ObjectServer } from "./server.ts";

/** The starter is about to connect, however short `idleTimeout` is. */
const firstSessionTimeout = 10_000;

/** The server of this process. */
export class ServerProgram {
  readonly server: ObjectServer;
  readonly #config: ServerConfig;

  /** Imports what users wrote, runs their initializer, and makes the server. */
  static async load(config: ServerConfig): Promise<ServerProgram> {
    const { types, serializer } = await load(config.modules, config.serializer);
    await initialize(config.initializer);
    const { tasks, workerPermissions: permissions } = config;
    const pools = new SharedPools({ tasks, permissions }, () => server.owner);
    const server: ObjectServer = new ObjectServer({
      ...register(types, config.builtins, pools.definition),
      endWorkers: () => pools.end(),
      authkey: authkeyBytes(config.authkey),
      serializer,
      limits: resolveLimits(config.limits),
      // JSON has no infinity: it says null.
      shutdownTimeout: config.shutdownTimeout ?? Infinity,
      idleTimeout: config.idleTimeout ?? undefined,
    });
    return new ServerProgram(server, config);
  }

  private constructor(server: ObjectServer, config: ServerConfig) {
    this.server = server;
    this.#config = config;
  }

  /** Takes over the listener, which has been there since this time of `performance.now()`. */
  serve(listener: Listener, since: number): void {
    const { tls, namedDirectory } = this.#config;
    // All in one turn of the event loop: nobody is let in between.
    const aroundEnd = namedDirectory === undefined
      ? undefined
      : async (unlisten: () => Promise<void>) => {
        try {
          giveUpName(namedDirectory, this.server.address);
        } finally {
          await unlisten();
        }
        removeNamedDirectory(namedDirectory);
      };
    const firstSessionBy = since + firstSessionTimeout;
    this.server.serve(listener, { tls, aroundEnd, firstSessionBy });
    thread.listening = true;
  }

  /** Ends the server in order. */
  end(why: string): void {
    this.server.close(new ConnectionClosedError(why));
  }

  /** The process that started it is gone: so is the server, unless it is to outlive that. */
  starterLeft(): void {
    if (!this.#mayStay()) this.end("the process that started it is gone");
  }

  /** A named server outlives its starter if that has given it the name. */
  #mayStay(): boolean {
    const { namedDirectory, detached } = this.#config;
    if (namedDirectory === undefined) return detached;
    try {
      return hasName(namedDirectory, this.server.address);
    } catch (error) {
      writeStderr(`${error}\n`);
      return false;
    }
  }
}

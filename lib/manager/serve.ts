/**
 * Servers in this process: `Manager.serve` on a socket, `Manager.local` in memory.
 *
 * Above: manager.ts. Below: server/server.ts, connect.ts.
 *
 * @module
 */

import { ConnectionClosedError, ManagerError } from "../errors.ts";
import { type Closed, ManagerFacade } from "./facade.ts";
import { environmentOf } from "../environment.ts";
import { defaultStartTimeout, openClient } from "./connect.ts";
import { resolveLimits } from "../limits.ts";
import {
  checkOptions,
  type CommonOptions,
  defaultGrace,
  type HostOptions,
  type LocalOptions,
  type ServeOptions,
} from "./options.ts";
import { thread } from "../process/child.ts";
import { SharedPools } from "../process/shared_pools.ts";
import { taskModules } from "./tasks.ts";
import { initialize, register } from "../server/config.ts";
import { ObjectServer } from "../server/server.ts";
import { typesOf } from "../types.ts";
import { authkeyBytes, randomAuthkey } from "../wire/auth.ts";
import { messagePack } from "../wire/serializer.ts";

/** A server that this process hosts. Python: `Server`, as `get_server()` gives it. */
export interface Server {
  /** Where it listens. */
  readonly address: string;
  /** What a child process needs to join; it holds the authkey. */
  readonly env: Record<string, string>;
  /** Resolves when the server has ended and left nothing behind; never rejects. */
  readonly closed: Promise<Closed>;
  /** Ends the server in order. Again: waits for the same end. */
  close(): Promise<void>;
  /** `close()`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** `Manager.serve`. */
export async function serve(options: ServeOptions = {}): Promise<Server> {
  checkOptions("serve", options);
  const authkey = options.authkey === undefined ? randomAuthkey() : authkeyBytes(options.authkey);
  const server = await makeServer(options, authkey);
  await server.listen({ address: options.address, tls: options.tls }).catch((error) => {
    throw cannotListen(error, options.address);
  });
  const { address, serializer } = server;
  const own = new ConnectionClosedError("its process closed it");
  const close = () => server.close(own);
  const env = environmentOf({ address, authkey, serializer, tls: options.tls });
  const hosted = {
    address,
    env,
    closed: server.closed.then((error): Closed =>
      error === own ? { by: "close" } : { by: "shutdown", error }
    ),
    close,
    [Symbol.asyncDispose]: close,
  } satisfies Server;
  // Whoever prints a server does not print its authkey.
  return Object.defineProperty(hosted, "env", { enumerable: false });
}

/** The system's errors have no class of this library, and name no cure. */
function cannotListen(error: Error & { code?: unknown }, address: string | undefined): unknown {
  const ours = error instanceof ManagerError || error instanceof TypeError;
  if (ours || error instanceof RangeError || error.code === undefined) return error;
  return new ManagerError(
    `Cannot listen at "${address}": ${error.message}; choose an address that is free and may be used`,
    { cause: error },
  );
}

/** `Manager.local`. */
export async function serveInMemory(options: LocalOptions = {}): Promise<ManagerFacade> {
  checkOptions("local", options);
  const authkey = randomAuthkey();
  const server = await makeServer(options, authkey);
  const address = `memory:${thread.nextMemoryServer++}`;
  server.owner.address = address;
  thread.memoryServers.set(address, { server, authkey });
  server.closed.then(() => thread.memoryServers.delete(address));
  const client = await openClient(
    { address, authkey, serializer: server.serializer },
    {
      limits: server.limits,
      startTimeout: defaultStartTimeout,
      callTimeout: options.callTimeout,
      types: typesOf(options.types),
    },
  );
  return new ManagerFacade({
    client,
    leave: () => client.close(),
    stop: () => server.close(new ConnectionClosedError("its manager shut it down")),
    disposal: "shutdown",
  });
}

async function makeServer(
  options: CommonOptions & HostOptions,
  authkey: Uint8Array,
): Promise<ObjectServer> {
  const pools = new SharedPools({ tasks: taskModules(options.tasks) }, () => server.owner);
  const types = typesOf(options.types);
  const registration = register(types, options.builtins ?? true, pools.definition);
  await initialize(options.initializer);
  const server: ObjectServer = new ObjectServer({
    ...registration,
    endWorkers: () => pools.end(),
    authkey,
    serializer: options.serializer ?? messagePack,
    limits: resolveLimits(options.limits),
    shutdownTimeout: options.shutdownTimeout ?? defaultGrace,
    idleTimeout: options.idleTimeout,
  });
  return server;
}

/**
 * The program of the server process: reads its configuration from stdin, listens, says so on stdout,
 * and ends with its starter, on a signal, or when a client shuts it down. Not for users.
 *
 * Above: whoever spawns it. Below: config.ts, server.ts, and the pools of the server.
 *
 * @module
 */

import { ConnectionClosedError } from "../errors.ts";
import { thread } from "../process/child.ts";
import { SharedPools } from "../process/shared_pools.ts";
import { resolveLimits } from "../limits.ts";
import { announce, exitProcess, onServerSignals, readConfig, writeStderr } from "../runtime.ts";
import { authkeyBytes } from "../wire/auth.ts";
import { giveUpName, hasName, removeNamedDirectory } from "../wire/named_directory.ts";
import { initialize, load, register, type ServerConfig } from "./config.ts";
import { ObjectServer } from "./server.ts";

/** The starter is about to connect, however short `idleTimeout` is. */
const firstSessionTimeout = 10_000;

const { line, ended } = await readConfig();
const config: ServerConfig = JSON.parse(line);
const { namedDirectory } = config;
let importing = true;
// Nobody waits for it any more, and it has made nothing yet.
if (!config.detached) ended.then(() => importing && exitProcess(1));
try {
  const server = await prepare(config);
  importing = false;
  await listen(server, config);
  const end = (why: string) => void server.close(new ConnectionClosedError(why));
  onServerSignals({ terminate: () => end("it received a signal to end") });
  thread.listening = true;
  await announce(config.nonce, { address: server.address });
  ended.then(() => {
    if (!mayStay(server.address)) end("the process that started it is gone");
  });
  await server.closed;
  exitProcess(0);
} catch (error) {
  const { name, message, stack } = error instanceof Error ? error : new Error(String(error));
  await announce(config.nonce, { error: { name, message, stack } });
  writeStderr(`${stack}\n`);
  exitProcess(1);
}

/** Whether it outlives its starter; a named one does if that has given it the name. */
function mayStay(address: string): boolean {
  if (namedDirectory === undefined) return config.detached;
  try {
    return hasName(namedDirectory, address);
  } catch (error) {
    writeStderr(`${error}\n`);
    return false;
  }
}

async function prepare(config: ServerConfig): Promise<ObjectServer> {
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
    firstSessionTimeout,
  });
  return server;
}

async function listen(server: ObjectServer, config: ServerConfig): Promise<void> {
  const { address, tls, makeDirectory, namedDirectory } = config;
  // All in one turn of the event loop: nobody is let in between.
  const aroundEnd = namedDirectory === undefined
    ? undefined
    : async (unlisten: () => Promise<void>) => {
      try {
        giveUpName(namedDirectory, server.address);
      } finally {
        await unlisten();
      }
      removeNamedDirectory(namedDirectory);
    };
  await server.listen({ address, tls, makeDirectory, aroundEnd });
}

/**
 * The program of the server process: reads its configuration from stdin, listens, says so on stdout,
 * and ends with its starter, on a signal, or when a client shuts it down. Not for users.
 *
 * Above: whoever spawns it. Below: config.ts, server.ts.
 *
 * @module
 */

import { ConnectionClosedError } from "../errors.ts";
import { thread } from "../process/child.ts";
import { resolveLimits } from "../limits.ts";
import { announce, exitProcess, onServerSignals, readConfig, writeStderr } from "../runtime.ts";
import { authkeyBytes } from "../wire/auth.ts";
import { initialize, load, register, type ServerConfig } from "./config.ts";
import { ObjectServer } from "./server.ts";

/** The starter is about to connect, however short `idleTimeout` is. */
const firstSessionTimeout = 10_000;

const { line, ended } = await readConfig();
const config: ServerConfig = JSON.parse(line);
try {
  const server = await start(config);
  const end = (why: string) => void server.close(new ConnectionClosedError(why));
  onServerSignals({ terminate: () => end("it received a signal to end") });
  thread.listening = true;
  await announce(config.nonce, { address: server.address });
  if (!config.detached) ended.then(() => end("the process that started it is gone"));
  await server.closed;
  exitProcess(0);
} catch (error) {
  const { name, message, stack } = error instanceof Error ? error : new Error(String(error));
  await announce(config.nonce, { error: { name, message, stack } });
  writeStderr(`${stack}\n`);
  exitProcess(1);
}

async function start(config: ServerConfig): Promise<ObjectServer> {
  const { types, serializer } = await load(config.modules, config.serializer);
  await initialize(config.initializer);
  const server = new ObjectServer({
    ...register(types, config.builtins),
    authkey: authkeyBytes(config.authkey),
    serializer,
    limits: resolveLimits(config.limits),
    // JSON has no infinity: it says null.
    shutdownTimeout: config.shutdownTimeout ?? Infinity,
    idleTimeout: config.idleTimeout ?? undefined,
    firstSessionTimeout,
  });
  const { address, tls, makeDirectory } = config;
  await server.listen({ address, tls, makeDirectory });
  return server;
}

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
  if (namedDirectory !== undefined) removeNamedDirectory(namedDirectory);
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
  return new ObjectServer({
    ...register(types, config.builtins),
    authkey: authkeyBytes(config.authkey),
    serializer,
    limits: resolveLimits(config.limits),
    // JSON has no infinity: it says null.
    shutdownTimeout: config.shutdownTimeout ?? Infinity,
    idleTimeout: config.idleTimeout ?? undefined,
    firstSessionTimeout,
  });
}

async function listen(server: ObjectServer, config: ServerConfig): Promise<void> {
  const { address, tls, makeDirectory, namedDirectory } = config;
  const giveUp = namedDirectory === undefined
    ? undefined
    : () => giveUpName(namedDirectory, server.address);
  await server.listen({ address, tls, makeDirectory, giveUpName: giveUp });
}

/**
 * `Manager.start`: a server in a process of its own, and a client of it.
 *
 * Above: manager.ts, open.ts. Below: spawn.ts, connect.ts.
 *
 * @module
 */

import { randomBytes } from "node:crypto";
import { dirname, join as joinPath } from "node:path";
import { ProcessError } from "../errors.ts";
import { ManagerFacade } from "./facade.ts";
import type { Access } from "../environment.ts";
import { defaultStartTimeout, openFirstClient } from "./connect.ts";
import { taskModules, withWorkers } from "./tasks.ts";
import { maxTimeout, resolveLimits } from "../limits.ts";
import { checkOptions, defaultGrace, type StartOptions } from "./options.ts";
import { thread } from "../process/child.ts";
import { register, serializers, type ServerConfig } from "../server/config.ts";
import { isServerProgram, isWindows } from "../runtime.ts";
import { type ProcessEnd, type ServerProcess, spawnServer } from "../process/spawn.ts";
import { type Types, typesOf } from "../types.ts";
import { authkeyBytes, authkeyText, randomAuthkey } from "../wire/auth.ts";
import { messagePack, type Serializer } from "../wire/serializer.ts";
import {
  logName,
  makeSocketDirectory,
  removeAbandonedSockets,
  removeSocketDirectory,
  removeStaleSocket,
} from "../wire/socket_directory.ts";
import { checkListen, newSocketPath, parseAddress, type TlsOptions } from "../wire/transport.ts";

/** `Manager.start`. */
export async function start(options: StartOptions = {}): Promise<ManagerFacade> {
  checkOptions("start", options);
  refuseWhileImporting();
  const types = typesOf(options.types);
  register(types, options.builtins ?? true); // finds what is wrong before a process is started
  const settings = {
    limits: resolveLimits(options.limits),
    startTimeout: options.startTimeout ?? defaultStartTimeout,
    callTimeout: options.callTimeout,
    types,
  };
  const authkey = options.authkey === undefined ? randomAuthkey() : authkeyBytes(options.authkey);
  const serializer = sendableSerializer(options.serializer ?? messagePack, types);
  const address = options.address ?? `unix:${newSocketPath()}`;
  checkAddress(address, options.tls);
  await removeAbandonedSockets();
  const config = configOf(options, types, { address, authkey, serializer, tls: options.tls });
  const child = await spawn(options, config, settings.startTimeout);
  try {
    const access: Access = {
      address: String(child.ready["address"]),
      authkey,
      serializer,
      tls: clientTls(options.tls),
    };
    const client = await openFirstClient(access, settings);
    return new ManagerFacade({
      client,
      typeids: ["pool", ...types.definitions.keys()],
      child,
      leave: () => client.close(),
      disposal: "shutdown",
    });
  } catch (error) {
    throw await endedAtOnce(child, error);
  }
}

/** Why nobody can connect to a server that was ready; nothing of it is left. */
async function endedAtOnce(child: ServerProcess, cause: unknown): Promise<ProcessError> {
  child.ref();
  child.kill("SIGKILL");
  const { code, signal } = await child.exited;
  const error = new ProcessError(
    `The server was ready, but could not be connected to: ${(cause as Error).message}`,
    { cause },
  );
  return Object.assign(error, {
    exitCode: code,
    exitSignal: signal,
    stderr: child.stderrTail(),
  });
}

/** What the server is told. */
export function configOf(options: StartOptions, types: Types, access: Access): ServerConfig {
  return {
    nonce: randomBytes(16).toString("hex"),
    address: access.address,
    makeDirectory: options.address === undefined,
    tls: access.tls,
    authkey: authkeyText(access.authkey),
    serializer: access.serializer.name,
    // JSON has no infinity.
    limits: Object.fromEntries(
      Object.entries(options.limits ?? {}).map(([name, value]) => [
        name,
        value === Infinity ? Number.MAX_VALUE : value,
      ]),
    ),
    modules: types.modules,
    builtins: options.builtins ?? true,
    shutdownTimeout: Math.min(options.shutdownTimeout ?? defaultGrace, maxTimeout),
    idleTimeout: options.idleTimeout === Infinity ? undefined : options.idleTimeout,
    initializer: options.initializer,
    tasks: taskModules(options.tasks),
    workerPermissions: options.permissions,
    detached: options.detached ?? false,
  };
}

/** Starts the process of a server. */
export async function spawn(
  options: StartOptions,
  config: ServerConfig,
  startTimeout: number,
): Promise<ServerProcess> {
  const modules = config.modules.map(({ url }) => url);
  if (config.initializer) modules.push(config.initializer.module);
  const outlives = options.detached || config.namedDirectory !== undefined;
  const log = outlives ? logFile(config.address) : undefined;
  // The log is there before the server is.
  if (log !== undefined && config.makeDirectory) makeSocketDirectory(dirname(log));
  try {
    const child = await spawnServer({
      runtime: options.runtime,
      permissions: config.tasks.length === 0 ? options.permissions : withWorkers(options),
      stdio: options.stdio,
      detached: options.detached,
      logFile: log,
      config: { ...config },
      nonce: config.nonce,
      address: config.address,
      modules,
      foreign: modules.length + config.tasks.length > 0,
      startTimeout,
    });
    return options.detached ? child : { ...child, exited: cleanedUp(child.exited, config) };
  } catch (error) {
    if (config.makeDirectory) await removeFiles(config);
    throw error;
  }
}

/** A server that was killed leaves its files to its starter. */
async function cleanedUp(exited: Promise<ProcessEnd>, config: ServerConfig): Promise<ProcessEnd> {
  const end = await exited;
  await removeFiles(config);
  return end;
}

async function removeFiles({ address, makeDirectory }: ServerConfig): Promise<void> {
  const parsed = parseAddress(address);
  if (parsed.kind !== "unix") return;
  await removeStaleSocket(parsed.path).catch(() => {}); // another server has the path by now
  if (makeDirectory) removeSocketDirectory(dirname(parsed.path));
}

/** A detached server's output has no reader: it goes to a file beside the socket. */
function logFile(address: string): string {
  const parsed = parseAddress(address);
  if (parsed.kind !== "unix") {
    throw new TypeError(
      `A detached server writes its log beside its socket: "${address}" has none, use a unix: address`,
    );
  }
  return joinPath(dirname(parsed.path), logName);
}

function checkAddress(address: string, tls: TlsOptions | undefined): void {
  if (checkListen(address, tls).kind !== "unix" || !isWindows) return;
  throw new ProcessError(
    `Cannot start a server at "${address}" on Windows, whose sockets have no permissions: use WSL, or { address: "tcp://127.0.0.1:0" }`,
  );
}

/** A module of types that starts a manager would start a server that imports it, and so on. */
export function refuseWhileImporting(): void {
  if (!isServerProgram() || thread.listening) return;
  throw new ProcessError(
    "Cannot start a manager while a server imports its types: the module of the types, or one that it imports, starts one itself; move the types into a module of their own",
  );
}

/** The server finds a user's serializer among the exports of the modules of types. */
export function sendableSerializer(serializer: Serializer, types: Types): Serializer {
  if (serializers.get(serializer.name) === serializer || types.modules.length > 0) {
    return serializer;
  }
  throw new TypeError(
    `The server cannot load the serializer "${serializer.name}": export it from the module of your \`types\`, and pass these, too`,
  );
}

/** The starter trusts the certificate that it gave to its server. */
function clientTls(tls: TlsOptions | undefined): TlsOptions | undefined {
  return tls && { ca: tls.ca ?? tls.cert, servername: tls.servername };
}

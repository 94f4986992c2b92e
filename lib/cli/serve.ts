/**
 * `referent serve`: a server in this process.
 *
 * Above: main.ts. Below: `Manager.serve`, key_file.ts.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { ManagerError, UnknownObjectError } from "../errors.ts";
import { register } from "../manager/named.ts";
import type { ServeOptions } from "../manager/options.ts";
import { serve as host, type Server } from "../manager/serve.ts";
import { typescriptCure } from "../process/start_error.ts";
import { environment, pid, type Terminal } from "../runtime.ts";
import { serializers } from "../server/config.ts";
import { findTypeSets } from "../types.ts";
import { parseAddress } from "../wire/address.ts";
import type { KeyFile } from "../wire/key_file.ts";
import { protocolVersion } from "../wire/protocol.ts";
import type { Serializer } from "../wire/serializer.ts";
import { removeSocketDirectory } from "../wire/socket_directory.ts";
import type { TlsOptions } from "../wire/transport.ts";
import { type Command, type CommandLine, milliseconds, UsageError } from "./command.ts";
import { writeKeyBeside } from "./key_file.ts";
import { checkAddress, checkName } from "./target.ts";
import { jsonLine } from "./text.ts";

/** The command. */
export const serve: Command = {
  name: "serve",
  words: ["[MODULE]"],
  options: {
    address: { value: "ADDRESS", help: "unix:/path, tcp://host:port or tls://host:port" },
    name: { value: "NAME", help: "the name by which Manager.open() finds it" },
    "idle-timeout": { value: "MS", help: "end after so many milliseconds without a session" },
    serializer: { value: "NAME", help: "messagepack, json, or one that MODULE exports" },
    "tls-cert": { value: "FILE", help: "the certificate of a tls: address, as PEM" },
    "tls-key": { value: "FILE", help: "its key, as PEM" },
  },
  summary: "hosts a server: the built-in typeids, and those that MODULE defines",
  details: `
Prints the address once it listens. Ends in order on Ctrl-C, SIGTERM and SIGHUP,
or when a client shuts it down. MODULE is a path or URL of a module that exports
the result of defineTypes(). Beside a unix: socket lies its key file,
ADDRESS.json, which only this user can read, until the server ends.
REFERENT_AUTHKEY sets the key: there is no key file then; tcp: and tls: need it.`,
  run: runServe,
};

async function runServe(line: CommandLine, terminal: Terminal): Promise<number> {
  const options = await serveOptions(line);
  const name = line.options.get("name");
  const stopped = terminal.untilStopped();
  const server = await host(options);
  const withdrawals: (() => void | Promise<void>)[] = [];
  try {
    if (options.authkey === undefined) withdrawals.push(shareKey(server, options.address));
    if (name !== undefined) withdrawals.push(await register(name, keyFileOf(server)));
    await terminal.print(announcement(server, name, line.options.has("json")));
    await Promise.race([aborted(stopped), server.closed]);
  } finally {
    await end(server, withdrawals);
  }
  return 0;
}

/** Takes back what others find the server by, while nobody else can listen there; then ends it. */
async function end(
  server: Server,
  withdrawals: readonly (() => void | Promise<void>)[],
): Promise<void> {
  try {
    for (const withdraw of withdrawals) await withdraw();
  } finally {
    await server.close();
  }
}

async function serveOptions(line: CommandLine): Promise<ServeOptions> {
  const { words: [module], options } = line;
  const address = options.get("address");
  const tls = tlsOptions(options);
  const idleTimeout = milliseconds(line, "idle-timeout", 0);
  const authkey = environment("REFERENT_AUTHKEY") || undefined;
  const name = options.get("name");
  if (name !== undefined) checkName(name);
  const kind = address === undefined ? "unix" : checkAddress(address).kind;
  if (kind !== "unix" && authkey === undefined) {
    throw new UsageError(
      `To listen at "${address}" takes a key that others know: set REFERENT_AUTHKEY`,
    );
  }
  if (kind === "tls" && !(tls?.cert && tls.key)) {
    throw new UsageError(`To listen at "${address}" takes --tls-cert and --tls-key`);
  }
  const exported = module === undefined ? {} : await importModule(module);
  const types = findTypeSets(exported);
  if (module !== undefined && types.length === 0) {
    throw new UnknownObjectError(
      `The module "${module}" exports no result of defineTypes(): write \`export default defineTypes(import.meta.url, { ... })\` there, with the same copy of @referent/manager`,
    );
  }
  const serializer = serializerNamed(options.get("serializer"), exported);
  return { types, address, authkey, serializer, idleTimeout, tls };
}

async function importModule(module: string): Promise<Record<string, unknown>> {
  const url = /^[a-z][a-z+.-]+:/i.test(module) ? module : pathToFileURL(resolve(module)).href;
  try {
    return await import(url);
  } catch (error) {
    const { code, message } = error as { code?: unknown; message?: unknown };
    const cure = typescriptCure(`${code}`);
    const hint = cure === undefined ? "" : `; ${cure}`;
    throw new ManagerError(`Cannot import "${module}": ${message ?? error}${hint}`, {
      cause: error,
    });
  }
}

function serializerNamed(
  name: string | undefined,
  exported: Record<string, unknown>,
): Serializer | undefined {
  if (name === undefined) return undefined;
  const found = serializers.get(name) ??
    Object.values(exported).find((value) => (value as Partial<Serializer> | null)?.name === name);
  if (found) return found as Serializer;
  throw new UsageError(
    `Unknown serializer "${name}": there are ${
      [...serializers.keys()].join(", ")
    }, and those that MODULE exports`,
  );
}

function tlsOptions(options: CommandLine["options"]): TlsOptions | undefined {
  const [cert, key] = ["tls-cert", "tls-key"].map((name) => {
    const path = options.get(name);
    return path === undefined ? undefined : readPem(name, path);
  });
  return cert === undefined && key === undefined ? undefined : { cert, key };
}

function readPem(option: string, path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new UsageError(
      `The option "--${option}" takes the path of a PEM file: ${(error as Error).message}`,
      { cause: error },
    );
  }
}

/** Lets the other programs of this user know the key; gives what takes it back. */
function shareKey(server: Server, chosen: string | undefined): () => void {
  const { path } = parseAddress(server.address) as { path: string };
  const remove = writeKeyBeside(path, keyFileOf(server));
  return () => {
    remove();
    // It was not empty when a server that ended by itself wanted to remove it.
    if (chosen === undefined) removeSocketDirectory(dirname(path));
  };
}

function keyFileOf({ address, env }: Server): KeyFile {
  return {
    version: protocolVersion,
    address,
    authkey: env["REFERENT_AUTHKEY"]!,
    serializer: env["REFERENT_SERIALIZER"]!,
    pid,
  };
}

function announcement({ address }: Server, name: string | undefined, asJson: boolean): string {
  return asJson ? jsonLine({ address, name: name ?? null, pid }) : `${address}\n`;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

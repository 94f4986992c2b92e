/**
 * Server processes that tests start as the library does, without a client of theirs.
 *
 * Above: tests. Below: spawn.ts.
 *
 * @module
 */
import { type ServerProcess, type SpawnOptions, spawnServer } from "../../lib/process/spawn.ts";
import type { ServerConfig } from "../../lib/server/config.ts";
import { authkeyText } from "../../lib/wire/auth.ts";

/** Starts a server at the address; it keeps this process alive until it has ended. */
export async function startServerProcess(
  address: string,
  authkey: Uint8Array,
  changes: Partial<ServerConfig>,
  options: Partial<SpawnOptions> = {},
): Promise<ServerProcess> {
  const config: ServerConfig = {
    nonce: "nonce",
    address,
    authkey: authkeyText(authkey),
    makeDirectory: false,
    serializer: "messagepack",
    limits: {},
    modules: [],
    tasks: [],
    builtins: true,
    shutdownTimeout: 5000,
    detached: false,
    ...changes,
  };
  const server = await spawnServer({
    config: { ...config },
    nonce: config.nonce,
    address,
    startTimeout: 60_000,
    ...options,
  });
  server.ref();
  return server;
}

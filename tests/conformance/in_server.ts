/**
 * A backend inside the server: the server's own proxies, as a referent that was handed a proxy calls
 * it. Nothing crosses a wire, but arguments and results are copied as on one.
 *
 * Above: the tests that run the suites. Below: lib/server.
 *
 * @module
 */

import { ConnectionClosedError, getValue, messagePack, str } from "../../mod.ts";
import { resolveLimits } from "../../lib/limits.ts";
import { builtins } from "../../lib/objects/builtins.ts";
import { ObjectServer } from "../../lib/server/server.ts";
import type { Backend } from "./backend.ts";

/** Makes the backend: a server without a listener, and a creation method for each built-in typeid. */
export function inServer(): Promise<Backend> {
  const server = newServer();
  const create = (typeid: string) => async (...args: unknown[]) => {
    const copied = server.owner.copy(args) as unknown[];
    return (await server.owner.invoker.create(typeid, copied)).proxy;
  };
  const creators = Object.fromEntries([...builtins.keys()].map((name) => [name, create(name)]));
  const close = () => server.close(new ConnectionClosedError("the test is over"));
  return Promise.resolve({ ...creators, str, getValue, close } as unknown as Backend);
}

/** A server with the built-in typeids that nobody can reach but over a transport given to `accept`. */
export function newServer({ shutdownTimeout = 1 } = {}): ObjectServer {
  const server = new ObjectServer({
    authkey: new Uint8Array(32).fill(7),
    serializer: messagePack,
    limits: resolveLimits({}),
    types: new Map([...builtins].map(([typeid, definition]) => [typeid, { definition }])),
    errors: new Map(),
    shutdownTimeout,
  });
  server.owner.address = "unix:/tests/have/no/socket";
  return server;
}

/**
 * What tests make a client with that speaks to a server without a manager between them.
 *
 * Above: tests. Below: client/options.ts.
 *
 * @module
 */
import { messagePack } from "../../mod.ts";
import type { ClientOptions } from "../../lib/client/options.ts";
import { resolveLimits } from "../../lib/limits.ts";

/** The options of a client, with what the test wants otherwise; the address is nobody's. */
export function clientOptions(
  changes: Partial<ClientOptions> & Pick<ClientOptions, "authkey">,
): ClientOptions {
  return {
    address: "unix:/tests/have/no/socket",
    serializer: messagePack,
    limits: resolveLimits({}),
    timeout: 10_000,
    errors: new Map(),
    remote: false,
    ...changes,
  };
}

/**
 * The variables by which a process joins a server: what a manager's `env` holds.
 *
 * Above: the manager, the processes, the server. Below: wire/.
 *
 * @module
 */

import { authkeyText } from "./wire/auth.ts";
import { parseAddress } from "./wire/address.ts";
import type { Serializer } from "./wire/serializer.ts";
import type { TlsOptions } from "./wire/transport.ts";

/** What it takes to join one server. */
export interface Access {
  readonly address: string;
  readonly authkey: Uint8Array;
  readonly serializer: Serializer;
  readonly tls?: TlsOptions;
}

/** What a child needs to join; nothing for a server in memory. */
export function environmentOf(
  { address, authkey, serializer, tls }: Access,
): Record<string, string> {
  if (parseAddress(address).kind === "memory") return {};
  const authorities = tls?.ca ?? tls?.cert;
  return {
    REFERENT_ADDRESS: address,
    REFERENT_AUTHKEY: authkeyText(authkey),
    REFERENT_SERIALIZER: serializer.name,
    ...(authorities === undefined ? {} : { REFERENT_TLS_CA: [authorities].flat().join("\n") }),
  };
}

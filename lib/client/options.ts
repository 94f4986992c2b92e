/**
 * What a client is made with, and how it ends.
 *
 * Above: client.ts, the manager. Below: limits.ts, a serializer.
 *
 * @module
 */

import type { ErrorClass } from "../exceptions.ts";
import type { Limits } from "../limits.ts";
import type { Serializer } from "../wire/serializer.ts";

/** What a client needs to join a server. */
export interface ClientOptions {
  /** Where the server listens; for tokens and messages. */
  readonly address: string;
  /** What another process needs to join the same server. */
  readonly env?: Record<string, string>;
  readonly authkey: Uint8Array;
  readonly serializer: Serializer;
  readonly limits: Limits;
  /** Milliseconds for the handshake. */
  readonly timeout: number;
  /** Milliseconds for every call that does not wait; undefined: no limit. */
  readonly callTimeout?: number;
  /** Exceptions of users that are rebuilt here. */
  readonly errors: ReadonlyMap<string, ErrorClass>;
  /** Milliseconds that the server has to say how a wait ended after its time or abort. Default 5 000. */
  readonly verdictTimeout?: number;
  /** Whether the peer's death may go unnoticed by the system (TCP). */
  readonly remote: boolean;
}

/** Why a client is unusable. */
export interface Ended {
  /** Who ended it: this client, its own `shutdown()`, the server, or nobody in order. */
  readonly by: "close" | "shutdown" | "server" | "lost";
  /** What happened, where it was not this client's wish. */
  readonly error?: Error;
}

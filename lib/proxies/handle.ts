/**
 * A handle as this process has it: a grant or leases that act by a number of their own.
 *
 * Above: the methods of locks and queues that run here. Below: whoever sends the requests.
 *
 * @module
 */

import { ConnectionClosedError } from "../errors.ts";
import type { HandleKind, handleMethods } from "../wire/protocol.ts";

/** What can be asked of a handle. */
export type HandleMethod = typeof handleMethods[number];

/** A grant, leases, or items that the session has to finish otherwise. */
export class Handle {
  /** What it is. */
  readonly kind: keyof typeof HandleKind;
  /** What came with it. */
  readonly content: unknown;
  /** Asks the server. */
  readonly call: (method: HandleMethod, args: unknown[]) => Promise<unknown>;

  constructor(
    kind: keyof typeof HandleKind,
    content: unknown,
    call: (method: HandleMethod, args: unknown[]) => Promise<unknown>,
  ) {
    this.kind = kind;
    this.content = content;
    this.call = call;
  }
}

/** The end of a session frees all its handles: there is nothing left to do, and no failure. */
export function unlessClosed(error: unknown): void {
  if (!(error instanceof ConnectionClosedError)) throw error;
}

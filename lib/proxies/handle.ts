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

/** How a handle reaches what it is of. */
export interface HandleRequests {
  /** Asks for something. */
  call(method: HandleMethod, args: unknown[]): Promise<unknown>;
  /** Releases it, and wants no answer. */
  finish(): void;
}

/** A grant, leases, or items that the session has to finish otherwise. */
export class Handle {
  /** What it is. */
  readonly kind: keyof typeof HandleKind;
  /** What came with it. */
  readonly content: unknown;
  readonly #requests: HandleRequests;

  constructor(kind: keyof typeof HandleKind, content: unknown, requests: HandleRequests) {
    this.kind = kind;
    this.content = content;
    this.#requests = requests;
  }

  /** Asks the server. */
  call(method: HandleMethod, args: unknown[]): Promise<unknown> {
    return this.#requests.call(method, args);
  }

  /** Releases it, and wants no answer. */
  finish(): void {
    this.#requests.finish();
  }
}

/** The end of a session frees all its handles: there is nothing left to do, and no failure. */
export function unlessClosed(error: unknown): void {
  if (!(error instanceof ConnectionClosedError)) throw error;
}

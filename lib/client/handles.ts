/**
 * Handles that a session was given - iterators - as what the caller of a method receives.
 *
 * Above: client.ts. Below: iterator.ts and whoever sends the requests.
 *
 * @module
 */

import type { CallOptions } from "../call_options.ts";
import { ConnectionClosedError, ProtocolError } from "../errors.ts";
import { HandleKind, iteratorMethods, type Reply, Target } from "../wire/protocol.ts";
import { type Items, RemoteIterator } from "./iterator.ts";
import type { Callee } from "./pending.ts";

/** The handles of one client. */
export class Handles {
  readonly #call: (callee: Callee, options?: CallOptions) => Promise<unknown>;

  /** `call` sends a request without arguments. */
  constructor(call: (callee: Callee, options?: CallOptions) => Promise<unknown>) {
    this.#call = call;
  }

  /** What a reply with a handle resolves to. */
  open({ handleKind, handleId }: Reply, value: unknown, callee: Callee): unknown {
    if (handleKind !== HandleKind.Iterator) {
      throw new ProtocolError(`Unknown kind of handle: ${handleKind}`);
    }
    const source = {
      next: () => this.#next(handleId, callee),
      return: () => this.#request(handleId, "return", callee.method).then(nothing, unlessClosed),
    };
    return new RemoteIterator(source, value as Items);
  }

  /** Frees a handle that nobody takes. */
  giveBack(id: number): void {
    if (id !== 0) this.#request(id, "return", "return").catch(nothing);
  }

  /** The next items; whoever reads an iterator takes an error, a timeout too, for its end. */
  async #next(id: number, { method, options }: Callee): Promise<Items> {
    try {
      return await this.#request(id, "next", method, options) as Items;
    } catch (error) {
      this.giveBack(id);
      throw error;
    }
  }

  #request(
    id: number,
    name: typeof iteratorMethods[number],
    method: string,
    options?: CallOptions,
  ): Promise<unknown> {
    const index = iteratorMethods.indexOf(name);
    return this.#call({ target: Target.Handle, id, index, typeid: "iterator", method }, options);
  }
}

/** Of what nobody takes nobody is left to be told that it failed. */
function nothing(): void {}

/** The end of a session frees all its handles: there is nothing left to do, and no failure. */
function unlessClosed(error: unknown): void {
  if (!(error instanceof ConnectionClosedError)) throw error;
}

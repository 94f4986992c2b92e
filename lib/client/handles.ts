/**
 * Handles that a session was given - iterators, grants, leases - as what the caller of a method
 * receives, and how what nobody takes goes back. The mirror image of server/handles.ts.
 *
 * Above: client.ts. Below: iterator.ts, proxies/handle.ts and whoever sends the requests.
 *
 * @module
 */

import type { CallOptions } from "../call_options.ts";
import { debug } from "../debug.ts";
import { ProtocolError } from "../errors.ts";
import { Handle, type HandleMethod, unlessClosed } from "../proxies/handle.ts";
import {
  HandleKind,
  handleMethods,
  type Reply,
  Target,
  universalMethods,
} from "../wire/protocol.ts";
import { type Items, RemoteIterator } from "./iterator.ts";
import type { Callee } from "./pending.ts";

type Request = (callee: Callee, args: unknown[], options?: CallOptions) => Promise<unknown>;

/** The handles of one client. */
export class Handles {
  readonly #call: Request;
  readonly #finish: (id: number) => void;

  /** `call` sends a request, `finish` that a handle is released. */
  constructor(call: Request, finish: (id: number) => void) {
    this.#call = call;
    this.#finish = finish;
  }

  /** What a reply with a handle resolves to. */
  open({ handleKind, handleId }: Reply, value: unknown, callee: Callee): unknown {
    if (handleKind === HandleKind.Iterator) {
      return this.#iterator(handleId, value as Items, callee);
    }
    const kind = kinds.get(handleKind);
    if (!kind) throw new ProtocolError(`Unknown kind of handle: ${handleKind}`);
    return new Handle(kind, value, {
      call: (method, args) => this.#request(handleId, method, { ...callee, method }, args),
      finish: () => this.#finish(handleId),
    });
  }

  /** Frees a handle that nobody takes. */
  giveBack(id: number): void {
    if (id === 0) return;
    this.#request(id, "return", { typeid: "handle", method: "return" }).catch(nothing);
  }

  /** What a wait gave after it was given up goes back to where it came from, if it can be read. */
  async takeBack(
    { target, id, typeid, method }: Callee,
    decode: () => unknown,
  ): Promise<void> {
    const index = universalMethods.indexOf("takeBack");
    try {
      await this.#call({ target, id, index, typeid, method }, [method, decode()]);
    } catch (error) {
      debug("not taken back", () => `${typeid}.${method}: ${error}`);
    }
  }

  #iterator(id: number, first: Items, { method, options }: Callee): RemoteIterator {
    const named = { typeid: "iterator", method };
    const source = {
      next: () => this.#next(id, named, options),
      return: () => this.#request(id, "return", named).then(nothing, unlessClosed),
    };
    return new RemoteIterator(source, first);
  }

  /** The next items; whoever reads an iterator takes an error, a timeout too, for its end. */
  async #next(id: number, named: Named, options?: CallOptions): Promise<Items> {
    try {
      return await this.#request(id, "next", named, [], options) as Items;
    } catch (error) {
      this.giveBack(id);
      throw error;
    }
  }

  #request(
    id: number,
    name: HandleMethod,
    { typeid, method }: Named,
    args: unknown[] = [],
    options?: CallOptions,
  ): Promise<unknown> {
    const index = handleMethods.indexOf(name);
    return this.#call({ target: Target.Handle, id, index, typeid, method }, args, options);
  }
}

/** How a request is called in messages. */
type Named = Pick<Callee, "typeid" | "method">;

const kinds: ReadonlyMap<number, keyof typeof HandleKind> = new Map(
  Object.entries(HandleKind).map(([name, kind]) => [kind, name as keyof typeof HandleKind]),
);

/** Of what nobody takes nobody is left to be told that it failed. */
function nothing(): void {}

/**
 * The server as the owner of its own proxies: a referent that received a proxy calls it like any
 * client, async and by copy, without a socket.
 *
 * Above: server.ts. Below: registry.ts, invocation.ts and a serializer.
 *
 * @module
 */

import { clearTimeout, setTimeout } from "node:timers";
import { ProtocolError, SerializeError, TimeoutError } from "../errors.ts";
import { type Items, RemoteIterator } from "../client/iterator.ts";
import { type Limits, maxTimeout } from "../limits.ts";
import {
  type CallOptions,
  type Held,
  type ProxyOwner,
  repr,
  stateOf,
  waitArguments,
} from "../proxy.ts";
import type { TicketOptions } from "../call_options.ts";
import { firstMethod } from "../wire/protocol.ts";
import { type References, type Serializer, withRoot } from "../wire/serializer.ts";
import { Handover, Holding, type HoldingMethod } from "../objects/handover.ts";
import { Ledger } from "../objects/ledger.ts";
import { Handle, type HandleMethod } from "../proxies/handle.ts";
import { Scopes } from "../proxies/scopes.ts";
import { ServerClock } from "./clock.ts";
import { Cursor } from "./cursor.ts";
import { type CallerContext, Invoker } from "./invocation.ts";
import { type Entry, type RegisteredType, Registry } from "./registry.ts";

/** Tickets, as the server's own proxies use them. */
export interface TicketOffice {
  exportProxy(entry: Entry, options: TicketOptions): string;
  importProxy(secret: string): object;
  revokeTicket(secret: string): void;
}

/** What the server's own proxies need. */
export interface LocalOwnerOptions {
  readonly epoch: string;
  readonly limits: Limits;
  readonly serializer: Serializer;
  readonly types: ReadonlyMap<string, RegisteredType>;
  /** Who makes and ends tickets. */
  readonly tickets: () => TicketOffice;
}

/** Owns the registry and evaluates what the server's own proxies ask. */
export class LocalOwner implements ProxyOwner {
  /** Set once the server listens. */
  address = "";
  /** Set once the server listens on a socket. */
  env: Readonly<Record<string, string>> = {};
  readonly epoch: string;
  readonly usable = true;
  readonly limits: Limits;
  readonly registry: Registry;
  readonly invoker: Invoker;
  /** The grants of this server. */
  readonly ledger: Ledger;
  readonly clock: ServerClock = new ServerClock();
  readonly scopes: Scopes = new Scopes();
  readonly #options: LocalOwnerOptions;
  /** The calls of the server's own that wait for another caller. */
  readonly #waiting = new Set<AbortController>();
  #ended: Error | undefined;

  constructor(options: LocalOwnerOptions) {
    this.epoch = options.epoch;
    this.limits = options.limits;
    this.#options = options;
    this.registry = new Registry(this, options.limits, options.types);
    this.ledger = new Ledger(Date.now() * 1000, (source) => this.registry.nameOf(source));
    this.invoker = new Invoker(this.registry, this.ledger, (value) => this.copy(value));
  }

  /** The server ends: nothing of its own waits any more. */
  endWaiting(reason: Error): void {
    this.#ended = reason;
    for (const controller of this.#waiting) controller.abort(reason);
  }

  /** A copy as the wire makes it; proxies stay what they are. */
  copy(value: unknown): unknown {
    const proxies: object[] = [];
    const { serializer } = this.#options;
    const bytes = serializer.encode(value, this.outgoing((entry) => proxies.push(entry.proxy) - 1));
    return serializer.decode(bytes, this.incoming(proxies));
  }

  /** How a serializer meets the proxies of what the server sends; `add` gives the index of an entry. */
  outgoing(add: (entry: Entry) => number): References {
    return {
      maxDepth: this.#options.limits.maxDepth,
      indexOf: (value) => {
        const entry = this.registry.entryOf(value);
        if (entry) return add(entry);
        const state = stateOf(value);
        if (!state) return undefined;
        throw new SerializeError(
          `${
            repr(value)
          } belongs to another client, of the server at "${state.owner.address}": pass a ticket, \`await exportProxy(proxy)\`, instead`,
        );
      },
      at: () => {
        throw new ProtocolError("Outgoing references have no proxies");
      },
    };
  }

  /** How a serializer meets the proxies of what the server receives. */
  incoming(proxies: readonly object[]): References {
    return {
      maxDepth: this.#options.limits.maxDepth,
      indexOf: () => undefined,
      at: (index) => {
        const proxy = proxies[index];
        if (!proxy) throw new ProtocolError(`A message refers to its reference ${index} of none`);
        return proxy;
      },
    };
  }

  call(held: Held, method: number, args: unknown[], options?: CallOptions): Promise<unknown> {
    const entry = held as Entry;
    try {
      const waitOptions = entry.table.methods[method - firstMethod]?.waitOptions;
      const waits = waitOptions !== undefined;
      if (waits) ({ args, options } = waitArguments(args, waitOptions, options));
      const copied = args.length === 0 ? args : this.copy(args) as unknown[];
      return this.#call(entry, method, copied, waits, options ?? {});
    } catch (error) {
      return Promise.reject(withRoot(error, "args"));
    }
  }

  /** The server's own proxies hold nothing that could be given back: reachability keeps their objects. */
  release(): void {}

  // deno-lint-ignore require-await -- a rejection, not an exception
  async exportProxy(held: Held, options: TicketOptions): Promise<string> {
    return this.#options.tickets().exportProxy(held as Entry, options);
  }

  // deno-lint-ignore require-await -- a rejection, not an exception
  async importProxy(secret: string): Promise<object> {
    return this.#options.tickets().importProxy(secret);
  }

  // deno-lint-ignore require-await -- a rejection, not an exception
  async revokeTicket(secret: string): Promise<void> {
    this.#options.tickets().revokeTicket(secret);
  }

  async #call(
    entry: Entry,
    method: number,
    args: unknown[],
    waits: boolean,
    { timeout, signal }: CallOptions,
  ): Promise<unknown> {
    signal?.throwIfAborted();
    if (waits && this.#ended) throw this.#ended;
    const controller = new AbortController();
    const caller: CallerContext = {
      id: "server",
      signal: controller.signal,
      timeout: timeout === Infinity ? undefined : timeout,
      clock: this.clock,
      ledger: this.ledger,
      bytes: 0,
      gone: () => this.#ended !== undefined,
      settling: () => {},
      share: (object, typeid) => this.registry.share(object, typeid).proxy as never,
    };
    // Not before the running method's synchronous part is over: it is atomic.
    const result = Promise.resolve().then(() =>
      this.invoker.invoke(entry, method, args, { caller })
    );
    const abort = () => controller.abort(signal!.reason);
    signal?.addEventListener("abort", abort, { once: true });
    if (waits) this.#waiting.add(controller);
    try {
      const decidedHere = !waits && (timeout !== undefined || signal !== undefined);
      return this.#receive(decidedHere ? await limited(result, controller, timeout) : await result);
    } finally {
      signal?.removeEventListener("abort", abort);
      this.#waiting.delete(controller);
    }
  }

  #receive(result: unknown): unknown {
    if (result instanceof Handover) return this.#take(result);
    if (!(result instanceof Cursor)) return this.copy(result);
    const source = {
      next: () => this.#read(result),
      return: async () => void await result.return(),
    };
    return new RemoteIterator(source, { values: [], done: false });
  }

  #take(handover: Handover): unknown {
    try {
      const content = this.copy(handover.content);
      handover.sent();
      if (!(handover instanceof Holding)) return content;
      return new Handle(handover.kind, content, {
        call: (method, args) => callHolding(handover, method, args),
        finish: () => handover.over ? undefined : void handover.call("release", []),
      });
    } catch (error) {
      handover.giveBack();
      throw error;
    }
  }

  /** The next items; whoever reads an iterator takes an error for its end. */
  async #read(cursor: Cursor): Promise<Items> {
    try {
      return this.copy(await cursor.next()) as Items;
    } catch (error) {
      free(cursor);
      throw error;
    }
  }
}

/** Rejects when the time is over or the signal aborted, and tells the method. */
function limited<T>(
  result: Promise<T>,
  controller: AbortController,
  timeout = Infinity,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const fail = () => reject(controller.signal.reason);
    controller.signal.addEventListener("abort", fail, { once: true });
    const timer = timeout === Infinity ? undefined : setTimeout(() => {
      controller.abort(new TimeoutError(`The call did not finish in ${timeout} ms`));
    }, Math.min(timeout, maxTimeout));
    const settle = (value: T) => {
      // What comes too late is given back.
      if (controller.signal.aborted && value instanceof Cursor) free(value);
      resolve(value);
    };
    result.then(settle, reject).finally(() => clearTimeout(timer));
  });
}

// deno-lint-ignore require-await -- a rejection, not an exception
async function callHolding(
  holding: Holding,
  method: HandleMethod,
  args: unknown[],
): Promise<unknown> {
  if (method === "return") return holding.giveBack();
  return holding.call(method as HoldingMethod, args);
}

/** Ends an iterator that nobody reads any more; nobody is left to be told of a failure. */
function free(cursor: Cursor): void {
  Promise.resolve().then(() => cursor.return()).catch(() => {});
}

/**
 * What stands behind a proxy: its owner, its object, and the mark by which it is known.
 *
 * Above: proxy.ts, the owners. Below: attributes.ts, wire/protocol.ts.
 *
 * @module
 */

import type { Operations } from "./attributes.ts";
import type { CallOptions, TicketOptions } from "./call_options.ts";
import type { Scopes } from "./proxies/scopes.ts";
import type { MethodTable } from "./wire/protocol.ts";

/** What an owner knows of one object that it holds; all its proxies and views share it. */
export interface Held {
  /** The object's number in the server. */
  readonly id: number;
  /** What is exposed. */
  readonly table: MethodTable;
  /** Receipts not yet given back. */
  receipts: number;
  /** All receipts were given back: the proxies are dead. */
  released: boolean;
}

/** Who carries out what proxies ask. */
export interface ProxyOwner {
  /** The address of the server. */
  readonly address: string;
  /** What another process needs to join the same server; empty for a server in memory. */
  readonly env: Readonly<Record<string, string>>;
  /** Identifies the server's life. */
  readonly epoch: string;
  /** Whether calls are possible. */
  readonly usable: boolean;
  /** Which grants the running task has. */
  readonly scopes: Scopes;
  /** Evaluates the method with this index: a universal one, or one of the table. */
  call(held: Held, method: number, args: unknown[], options?: CallOptions): Promise<unknown>;
  /** Gives back one receipt, or all. */
  release(held: Held, all: boolean): void;
  /** Makes a ticket. */
  exportProxy(held: Held, options: TicketOptions): Promise<string>;
  /** The proxy of the ticket with this secret; takes one use. */
  importProxy(secret: string): Promise<object>;
  /** Ends a ticket; nothing happens if it is over. */
  revokeTicket(secret: string): Promise<void>;
}

/** What stands behind a proxy. */
export interface ProxyState {
  /** Who carries out its calls. */
  readonly owner: ProxyOwner;
  /** The object. */
  readonly held: Held;
  /** Of a view: the defaults of its calls. */
  readonly options: CallOptions | undefined;
  /** Of a view: the proxy, which must not be collected before its views. */
  readonly proxy: object | undefined;
  /** Of a namespace: keeps the order of what is read and written. */
  readonly operations?: Operations;
}

/** Makes a constructor that returns what it is given, so that a subclass can put a private field on any object. */
const Identity = function (object: object): object {
  return object;
} as unknown as new (object: object) => object;

/** The unforgeable mark of a proxy: a private field, also on ES proxies. */
export class Mark extends Identity {
  #state: ProxyState;
  /** Marks the object. */
  constructor(object: object, state: ProxyState) {
    super(object);
    this.#state = state;
  }
  /** What stands behind the object, if it is marked. */
  static stateOf(value: object): ProxyState | undefined {
    return #state in value ? value.#state : undefined;
  }
}

/** The state behind a proxy; undefined for anything else. */
export function stateOf(value: unknown): ProxyState | undefined {
  return typeof value === "object" && value !== null ? Mark.stateOf(value) : undefined;
}

/** The same proxy for whoever may use the object also when the proxy is released: who has a grant of it. */
export function unreleased(proxy: object): object {
  const state = stateOf(proxy)!;
  const twin = Object.create(Object.getPrototypeOf(proxy));
  new Mark(twin, { ...state, held: { ...state.held, released: false }, proxy: undefined });
  return twin;
}

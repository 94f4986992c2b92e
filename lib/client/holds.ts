/**
 * What one client holds: the objects by number, their proxies - one live proxy an object - and how
 * many receipts are still to be given back.
 *
 * Above: client.ts. Below: proxy.ts.
 *
 * @module
 */

import { ProtocolError, ReleasedError, SerializeError } from "../errors.ts";
import { type Held, makePrototype, makeProxy, type ProxyOwner, repr, stateOf } from "../proxy.ts";
import type { MethodTable } from "../wire/protocol.ts";
import type { References } from "../wire/serializer.ts";

interface Hold extends Held {
  /** The live proxy; weak, so that collection gives the receipts back. */
  proxy?: WeakRef<object>;
  /** How many keep a receipt although the proxy may be released. */
  keepers?: number;
}

interface KnownTable {
  readonly table: MethodTable;
  /** Made for the first object: a client is told of more typeids than it uses. */
  prototype?: object;
}

/** The holds of one client. `giveBack` tells the server how many receipts of an object are returned. */
export class Holds {
  readonly #owner: ProxyOwner;
  readonly #giveBack: (id: number, receipts: number) => void;
  readonly #maxDepth: number;
  readonly #holds = new Map<number, Hold>();
  readonly #tables = new Map<number, KnownTable>();
  // A field, not a local: Bun may collect a registry that only a local refers to.
  readonly #collected = new FinalizationRegistry<Hold>((hold) => {
    if (!hold.released && hold.proxy?.deref() === undefined) this.release(hold, true);
  });

  constructor(
    owner: ProxyOwner,
    maxDepth: number,
    giveBack: (id: number, receipts: number) => void,
  ) {
    this.#owner = owner;
    this.#maxDepth = maxDepth;
    this.#giveBack = giveBack;
  }

  /** Learns a method table of the server. */
  addTable(table: MethodTable): void {
    this.#tables.set(table.id, { table });
  }

  /** The server is asked for the object once more: one receipt is kept until the returned function is called. */
  keep(id: number): () => void {
    const hold = this.#holds.get(id);
    if (!hold) return () => {};
    hold.keepers = (hold.keepers ?? 0) + 1;
    return () => {
      if (--hold.keepers! === 0 && hold.released) this.#giveBack(id, 1);
    };
  }

  /** Gives back one receipt, or all. */
  release(held: Held, all: boolean): void {
    if (held.released) return;
    const receipts = all ? held.receipts : 1;
    held.receipts -= receipts;
    if (held.receipts === 0) {
      held.released = true;
      this.#holds.delete(held.id);
    }
    const kept = held.released && (held as Hold).keepers ? 1 : 0;
    if (receipts > kept) this.#giveBack(held.id, receipts - kept);
  }

  /** Forgets everything without a word to the server: the session is over. */
  clear(): void {
    this.#holds.clear();
  }

  /** Gives back the receipts of a message that nobody takes. */
  refuse(references: readonly number[]): void {
    for (let i = 0; i < references.length; i += 2) this.#giveBack(references[i]!, 1);
  }

  /** Credits the receipts of a message, then decodes it; a proxy that the payload does not mention is given back. */
  receive<T>(references: readonly number[], decode: (references: References) => T): T {
    if (references.length === 0) return decode(this.incoming([]));
    const holds: Hold[] = [];
    for (let i = 0; i < references.length; i += 2) {
      holds.push(this.#credit(references[i]!, references[i + 1]!));
    }
    // Keeps the proxies alive until each has been counted.
    const proxies = holds.map((hold) => this.#proxyOf(hold));
    try {
      return decode(this.incoming(proxies));
    } catch (error) {
      for (const hold of holds) this.release(hold, false);
      throw error;
    }
  }

  /** How a serializer meets the proxies of an incoming message. */
  incoming(proxies: readonly object[]): References {
    return {
      maxDepth: this.#maxDepth,
      indexOf: () => undefined,
      at: (index) => {
        const proxy = proxies[index];
        if (!proxy) throw new ProtocolError(`A message refers to its reference ${index} of none`);
        return proxy;
      },
    };
  }

  /** How a serializer meets the proxies of an outgoing message: their numbers are added to `ids`. */
  outgoing(ids: number[]): References {
    return {
      maxDepth: this.#maxDepth,
      indexOf: (value) => {
        const state = stateOf(value);
        if (!state) return undefined;
        if (state.owner !== this.#owner) {
          throw new SerializeError(
            `${
              repr(value)
            } belongs to another client, of the server at "${state.owner.address}": pass a ticket, \`await exportProxy(proxy)\`, instead`,
          );
        }
        if (state.held.released) {
          throw new ReleasedError(`Cannot send ${repr(value)}: it was released`);
        }
        return ids.push(state.held.id) - 1;
      },
      at: () => {
        throw new ProtocolError("Outgoing references have no proxies");
      },
    };
  }

  #credit(id: number, tableId: number): Hold {
    let hold = this.#holds.get(id);
    if (!hold) {
      const known = this.#tables.get(tableId);
      if (!known) throw new ProtocolError(`The server refers to an unknown table ${tableId}`);
      hold = { id, table: known.table, receipts: 0, released: false };
      this.#holds.set(id, hold);
    }
    hold.receipts++;
    return hold;
  }

  #proxyOf(hold: Hold): object {
    const live = hold.proxy?.deref();
    if (live) return live;
    const known = this.#tables.get(hold.table.id)!;
    known.prototype ??= makePrototype(known.table);
    const proxy = makeProxy(known.prototype, this.#owner, hold);
    hold.proxy = new WeakRef(proxy);
    this.#collected.register(proxy, hold);
    return proxy;
  }
}

/**
 * The registry: which typeids there are, which objects are shared under them, and who keeps each
 * alive. Sessions, names, tickets and pins hold strongly; all else is the collector's, so a proxy
 * stored in a referent keeps its object, cycles included.
 *
 * Above: invocation.ts, session.ts, control.ts, server.ts. Below: proxy.ts and the definitions.
 *
 * @module
 */

import { LimitExceededError, UnknownObjectError } from "../errors.ts";
import { exposedMethods, iterationOf } from "../types/exposure.ts";
import type { Limits } from "../limits.ts";
import type { Definition } from "../objects/definition.ts";
import { type Held, makePrototype, makeProxy, type ProxyOwner, stateOf } from "../proxy.ts";
import type { AnnouncedType, Method, MethodTable } from "../wire/protocol.ts";

/** One shared object under one typeid. For the server's own proxy it is what is held. */
export interface Entry extends Held {
  readonly typeid: string;
  readonly definition: Definition;
  readonly referent: object;
  /** The server's own proxy of it; unique, so that identity is equality. */
  readonly proxy: object;
  /** How many sessions, names, tickets and pins hold it. */
  holders: number;
  /** The end of the calls so far, of a serial typeid. */
  tail: Promise<unknown> | undefined;
}

/** How often a method ran, and for how long. */
export interface MethodStatistics {
  /** How often it was called. */
  calls: number;
  /** Milliseconds in all, synchronous part. */
  time: number;
}

interface KnownTable {
  readonly table: MethodTable;
  /** Made for the first object: most servers have none of most typeids. */
  prototype?: object;
  readonly statistics: MethodStatistics[];
}

/** A typeid and where it comes from. */
export interface RegisteredType {
  readonly definition: Definition;
  /** The user's module; absent for built-ins. */
  readonly module?: string;
}

/** The shared objects of one server. */
export class Registry {
  readonly #owner: ProxyOwner;
  readonly #limits: Limits;
  readonly #types: ReadonlyMap<string, RegisteredType>;
  readonly #byReferent = new WeakMap<object, Map<string, Entry>>();
  readonly #held = new Set<Entry>();
  readonly #tables = new Map<string, KnownTable>();
  /** Those of built-ins, by typeid. */
  readonly #builtinTables = new Map<string, KnownTable>();
  readonly #tablesById: KnownTable[] = [];
  #nextId = 1;
  #liveObjects = 0;
  // A field, not a local: Bun may collect a registry that only a local refers to.
  readonly #collected = new FinalizationRegistry<undefined>(() => {
    this.#liveObjects--;
  });

  /** `owner` carries out what the server's own proxies ask. */
  constructor(owner: ProxyOwner, limits: Limits, types: ReadonlyMap<string, RegisteredType>) {
    this.#owner = owner;
    this.#limits = limits;
    this.#types = types;
  }

  /** What a client is told of the typeids. */
  announce(): Record<string, AnnouncedType> {
    const types: [string, AnnouncedType][] = [];
    for (const [typeid, { definition, module }] of this.#types) {
      const table = definition.class &&
        this.#tableOf(definition.class.prototype, typeid, definition);
      types.push([typeid, { table: table?.table, module }]);
    }
    return Object.fromEntries(types);
  }

  /** The definition of a typeid; UnknownObjectError names those that exist. */
  definition(typeid: string): Definition {
    const found = this.#types.get(typeid);
    if (found) return found.definition;
    throw new UnknownObjectError(
      `Unknown typeid "${typeid}": this server has ${[...this.#types.keys()].join(", ")}`,
    );
  }

  /** Shares an object under a typeid: the same object under the same typeid is always the same entry. */
  share(referent: unknown, typeid: string): Entry {
    const definition = this.definition(typeid);
    if (typeof referent !== "object" || referent === null) {
      throw new TypeError(
        `Cannot share "${String(referent)}" as typeid "${typeid}": only an object can be shared`,
      );
    }
    if (stateOf(referent)) {
      throw new TypeError(`Cannot share a proxy as typeid "${typeid}": return the object itself`);
    }
    let entries = this.#byReferent.get(referent);
    if (!entries) this.#byReferent.set(referent, entries = new Map());
    let entry = entries.get(typeid);
    if (!entry) entries.set(typeid, entry = this.#add(referent, typeid, definition));
    return entry;
  }

  /** How a referent is called in messages: as its proxy, where it is shared. */
  nameOf(referent: object): string {
    const [entry] = this.#byReferent.get(referent)?.values() ?? [];
    return entry ? String(entry.proxy) : `an unshared ${referent.constructor.name}`;
  }

  /** The entry behind one of the server's own proxies; undefined for anything else. */
  entryOf(value: unknown): Entry | undefined {
    const state = stateOf(value);
    return state?.owner === this.#owner ? state.held as Entry : undefined;
  }

  /** One more session, name, ticket or pin holds the entry. */
  hold(entry: Entry): void {
    if (entry.holders++ === 0) this.#held.add(entry);
  }

  /** One holder fewer; without any the entry lives only as long as other objects refer to it. */
  letGo(entry: Entry): void {
    if (--entry.holders > 0) return;
    this.#held.delete(entry);
    const { unheld } = entry.definition;
    // Not before the end of this turn: a spent ticket's object is just being credited to its session.
    if (unheld) queueMicrotask(() => entry.holders === 0 && unheld(entry.referent as never));
  }

  /** The entries that somebody holds. */
  get held(): ReadonlySet<Entry> {
    return this.#held;
  }

  /** Calls and time by `typeid.method`. */
  statistics(): Record<string, MethodStatistics> {
    const all: [string, MethodStatistics][] = [];
    for (const { table, statistics } of this.#tablesById) {
      table.methods.forEach(({ name }, index) => {
        const found = statistics[index]!;
        if (found.calls > 0) all.push([`${table.typeid}.${name}`, { ...found }]);
      });
    }
    return Object.fromEntries(all);
  }

  /** Counts one call of a table's method. */
  count(table: MethodTable, index: number, time: number): void {
    const found = this.#tablesById[table.id]!.statistics[index]!;
    found.calls++;
    found.time += time;
  }

  #add(referent: object, typeid: string, definition: Definition): Entry {
    if (this.#liveObjects >= this.#limits.maxObjects) {
      throw new LimitExceededError(
        `Cannot share another object: the server has ${this.#liveObjects} (limit maxObjects): release proxies, or raise the limit`,
      );
    }
    const known = this.#tableOf(referent, typeid, definition);
    const { table } = known;
    const entry = {
      id: this.#nextId++,
      table,
      typeid,
      definition,
      referent,
      receipts: Infinity,
      released: false,
      holders: 0,
      tail: undefined,
    } as unknown as { -readonly [K in keyof Entry]: Entry[K] };
    known.prototype ??= makePrototype(table);
    entry.proxy = makeProxy(known.prototype, this.#owner, entry);
    this.#liveObjects++;
    this.#collected.register(entry, undefined);
    return entry;
  }

  #tableOf(target: object, typeid: string, definition: Definition): KnownTable {
    const { exposed, class: Class } = definition;
    const isOurs = Class !== undefined && this.#types.get(typeid)?.module === undefined &&
      (target === Class.prototype || target instanceof Class);
    if (isOurs && exposed) return this.#builtinTable(target, typeid, definition, exposed);
    const names = exposedMethods(target, exposed);
    return this.#knownTable(typeid, definition, names, iterationOf(target) !== undefined);
  }

  /** Of our own classes nothing has to be found out, and no two objects of one differ. */
  #builtinTable(
    target: object,
    typeid: string,
    definition: Definition,
    exposed: readonly string[],
  ): KnownTable {
    const known = this.#builtinTables.get(typeid) ??
      this.#knownTable(typeid, definition, exposed, Symbol.iterator in target);
    this.#builtinTables.set(typeid, known);
    return known;
  }

  #knownTable(
    typeid: string,
    definition: Definition,
    names: readonly string[],
    iterable: boolean,
  ): KnownTable {
    const methods = names.map((name) => methodOf(name, definition));
    const key = JSON.stringify([typeid, methods.map((method) => method.name), iterable]);
    let known = this.#tables.get(key);
    if (known) return known;
    const table: MethodTable = {
      id: this.#tablesById.length,
      typeid,
      proxyName: definition.proxyName ?? `AutoProxy[${typeid}]`,
      methods,
      iterable,
      attributes: definition.attributes ?? false,
    };
    known = {
      table,
      statistics: methods.map(() => ({ calls: 0, time: 0 })),
    };
    this.#tables.set(key, known);
    this.#tablesById.push(known);
    return known;
  }
}

function methodOf(name: string, definition: Definition): Method {
  const waitOptions = definition.waits?.[name];
  const guardOptions = definition.guarded?.[name];
  return {
    name,
    ...(waitOptions === undefined ? {} : { waitOptions }),
    ...(guardOptions === undefined ? {} : { guardOptions }),
  };
}

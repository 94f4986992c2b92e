/**
 * The server's own methods: what a manager asks for that is not a method of a shared object.
 *
 * Above: server.ts. Below: local.ts, names.ts, tickets.ts.
 *
 * @module
 */

import type { Suspect } from "../objects/ledger.ts";
import { pid, runtimeName } from "../runtime.ts";
import type { serverMethods } from "../wire/protocol.ts";
import type { LocalOwner, TicketOffice } from "./local.ts";
import { isPromise } from "./invocation.ts";
import { Names } from "./names.ts";
import type { Entry, MethodStatistics } from "./registry.ts";
import type { CallInfo, Session } from "./session.ts";
import { Tickets, writeTicket } from "./tickets.ts";
import type { TicketOptions } from "../call_options.ts";

/** One shared object, as `debugInfo()` tells of it. */
export interface ObjectInfo {
  /** Its number in the server. */
  readonly id: number;
  /** Its typeid. */
  readonly typeid: string;
  /** Receipts by session. */
  readonly holds: Readonly<Record<string, number>>;
  /** The names it is published under. */
  readonly names: readonly string[];
  /** Tickets that are neither spent nor expired. */
  readonly tickets: number;
  /** The calls that wait for another caller on it, each session's in the order in which they came. */
  readonly waiters: readonly CallInfo[];
  /** Of a lock, semaphore or condition: who has it. */
  readonly grants?: readonly GrantInfo[];
  /** Of a condition: how many wait to be notified. */
  readonly sleeping?: number;
  /** Of a queue: how many items are ready, leased, delayed, dead, unfinished; how many getters and putters wait. */
  readonly queue?: Readonly<Record<string, number>>;
  /** Of a pool: its size, its workers, calls, and tasks that wait for a worker. */
  readonly pool?: Readonly<Record<string, number>>;
}

/** One grant, as `debugInfo()` tells of it. */
export interface GrantInfo {
  /** Its number. */
  readonly fence: number;
  /** The session that has it. */
  readonly session: string;
  /** Whether others may have the same lock. */
  readonly shared: boolean;
  /** How often an rlock was entered. */
  readonly levels: number;
}

/** What `debugInfo()` resolves to. Python: `_debug_info`, as data. */
export interface DebugInfo {
  /** Where the server listens. */
  readonly address: string;
  /** Identifies the server's life. */
  readonly epoch: string;
  /** The process that hosts the server. */
  readonly pid: number;
  /** Its runtime. */
  readonly runtime: string;
  /** Milliseconds since the server started. */
  readonly uptime: number;
  /** The objects that a session, a name or a ticket holds. */
  readonly objects: readonly ObjectInfo[];
  /** By session: the process id of its client, and counts: objects, receipts, running and waiting calls, iterators, grants and leases (`holdings`), output bytes. */
  readonly sessions: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** Calls and milliseconds by `typeid.method`. */
  readonly methods: Readonly<Record<string, MethodStatistics>>;
  /** Sessions that wait for each other in a circle, judged only by who has what: it need not be a deadlock. */
  readonly suspects: readonly Suspect[];
}

/** What the control needs of its server. */
export interface ControlHost {
  readonly owner: LocalOwner;
  readonly address: string;
  readonly sessions: ReadonlyMap<string, Session>;
  /** Ends the server in order, after the reply to the caller was written. */
  shutdownSoon(session: Session): void;
}

type Method = (session: Session, args: unknown[]) => unknown;

/** Carries out the server's own methods. */
export class Control implements TicketOffice {
  readonly names: Names;
  readonly tickets: Tickets;
  readonly #host: ControlHost;
  readonly #start = performance.now();
  readonly #methods: Record<typeof serverMethods[number], Method> = {
    create: (_, [typeid, args]) => this.#create(text(typeid), list(args)),
    named: (_, [name, typeid, args]) => this.#named(name, text(typeid), list(args)),
    publish: (_, [name, proxy, replace]) => this.#publish(name, proxy, replace === true),
    lookup: (_, [name]) => this.names.lookup(name)?.proxy,
    unpublish: (_, [name]) => this.names.unpublish(name),
    exportProxy: (session, [id, options]) =>
      this.exportProxy(session.held(id as number), options as TicketOptions, session.id),
    importProxy: (_, [secret]) => this.importProxy(secret),
    revokeTicket: (_, [secret]) => this.revokeTicket(secret),
    numberOfObjects: () => this.#host.owner.registry.held.size,
    debugInfo: () => this.#debugInfo(),
    shutdown: (session) => this.#host.shutdownSoon(session),
  };

  constructor(host: ControlHost, maxNameBytes: number) {
    this.#host = host;
    this.names = new Names(host.owner.registry, maxNameBytes);
    this.tickets = new Tickets(host.owner.registry);
  }

  /** Carries out one of the server's own methods for a session. */
  call(session: Session, method: typeof serverMethods[number], args: unknown[]): unknown {
    return this.#methods[method](session, args);
  }

  /** Makes a ticket. */
  exportProxy(entry: Entry, options: TicketOptions, session?: string): string {
    if (this.#host.address.startsWith("memory:")) {
      throw new TypeError(
        `Cannot export ${
          String(entry.proxy)
        }: no other process can reach its server in memory; use Manager.start() or Manager.serve()`,
      );
    }
    const secret = this.tickets.issue(entry, options ?? {}, session);
    return writeTicket({ address: this.#host.address, epoch: this.#host.owner.epoch, secret });
  }

  /** The object of a ticket; takes one use. */
  importProxy(secret: unknown): object {
    return this.tickets.redeem(secret).proxy;
  }

  /** Ends a ticket. */
  revokeTicket(secret: unknown): void {
    this.tickets.revoke(secret);
  }

  #create(typeid: string, args: unknown[]): unknown {
    return proxyOf(this.#host.owner.invoker.create(typeid, args));
  }

  #named(name: unknown, typeid: string, args: unknown[]): unknown {
    const { invoker, registry } = this.#host.owner;
    registry.definition(typeid);
    return proxyOf(this.names.findOrCreate(name, typeid, () => invoker.create(typeid, args)));
  }

  #publish(name: unknown, proxy: unknown, replace: boolean): void {
    const entry = this.#host.owner.registry.entryOf(proxy);
    if (!entry) throw new TypeError(`Cannot publish "${String(proxy)}": pass a proxy`);
    this.names.publish(name, entry, replace);
  }

  /** The calls that wait, by object. */
  #waiters(): Map<Entry, CallInfo[]> {
    const waiters = new Map<Entry, CallInfo[]>();
    for (const session of this.#host.sessions.values()) {
      for (const [entry, call] of session.waits()) {
        const calls = waiters.get(entry);
        if (calls) calls.push(call);
        else waiters.set(entry, [call]);
      }
    }
    return waiters;
  }

  #debugInfo(): DebugInfo {
    const { owner, address, sessions } = this.#host;
    const names = [...this.names.entries];
    const tickets = this.tickets.entries;
    const waiters = this.#waiters();
    const objects = [...new Set([...owner.registry.held, ...waiters.keys()])].map((entry) => ({
      id: entry.id,
      typeid: entry.typeid,
      holds: Object.fromEntries(
        [...sessions].flatMap(([id, session]) => {
          const hold = session.holds.get(entry.id);
          return hold ? [[id, hold.receipts]] : [];
        }),
      ),
      names: names.filter(([, named]) => named === entry).map(([name]) => name),
      tickets: tickets.filter((ticket) => ticket === entry).length,
      waiters: waiters.get(entry) ?? [],
      ...entry.definition.describe?.(entry.referent as never) as Partial<ObjectInfo> | undefined,
    }));
    return {
      address,
      epoch: owner.epoch,
      pid,
      runtime: runtimeName,
      uptime: performance.now() - this.#start,
      objects,
      sessions: Object.fromEntries(
        [...sessions].map(([id, session]) => [id, session.describe()]),
      ),
      methods: owner.registry.statistics(),
      suspects: owner.ledger.suspects(),
    };
  }
}

function proxyOf(entry: Entry | Promise<Entry>): object | Promise<object> {
  return isPromise(entry) ? entry.then((settled) => (settled as Entry).proxy) : entry.proxy;
}

function text(value: unknown): string {
  if (typeof value !== "string") throw new TypeError(`A typeid must be a string, got "${value}"`);
  return value;
}

function list(value: unknown): unknown[] {
  if (!Array.isArray(value)) throw new TypeError("The arguments of a creation must be an array");
  return value;
}

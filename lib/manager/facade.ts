/**
 * The members of a manager: one user of a client, with the creation methods of the server's typeids
 * and, where this process started the server, its process.
 *
 * Above: manager.ts. Below: client/client.ts, spawn.ts.
 *
 * @module
 */

import type { Client } from "../client/client.ts";
import type { Ended } from "../client/options.ts";
import { ConnectionClosedError, TimeoutError, UnknownObjectError } from "../errors.ts";
import { builtins } from "../objects/builtins.ts";
import { inTime, within } from "../in_time.ts";
import { checkedOptions, checkNames, checkObject } from "../call_options.ts";
import type { BuiltinCreators, Creators } from "../remote.ts";
import type { DebugInfo } from "../server/control.ts";
import { readTicket, type TicketText } from "../server/tickets.ts";
import type { ServerProcess } from "../process/spawn.ts";

/** Why a manager is unusable. */
export interface Closed extends Ended {
  /** The server process's exit code, where this process started it; null if a signal ended it. */
  readonly exitCode?: number | null;
  /** The signal that ended the server process, or null. */
  readonly exitSignal?: string | null;
}

/** How long to wait for the end of a server. */
export interface JoinOptions {
  /** Milliseconds; after them TimeoutError. Default: no limit. */
  timeout?: number;
  /** Ends the waiting; `join` rejects with its reason. */
  signal?: AbortSignal;
}

/** How to publish. */
export interface PublishOptions {
  /** Take the name over if another object has it. */
  replace?: boolean;
}

/** What every manager has, whatever its typeids. */
export interface ManagerMembers<T> {
  /** Where the server listens. */
  readonly address: string;
  /**
   * What a child process needs to join with a plain `Manager.connect()`: pass
   * `{ env: { ...process.env, ...manager.env } }` when you spawn it. It holds the authkey.
   */
  readonly env: Record<string, string>;
  /** Resolves when this manager is unusable, and says why; never rejects. */
  readonly closed: Promise<Closed>;
  /** Makes a shared object by the name of its typeid. Rejects as the creation method does. */
  create<P = unknown>(typeid: string, ...args: unknown[]): Promise<P>;
  /**
   * Gives an object a name, under which every client finds it until somebody unpublishes it. The same
   * object again is no change; another one is NameTakenError unless `replace`.
   */
  publish(name: string, proxy: object, options?: PublishOptions): Promise<void>;
  /** The object of this name; undefined if there is none. */
  lookup<P = unknown>(name: string): Promise<P | undefined>;
  /** Takes the name away; false if there was none. The object lives on while somebody holds it. */
  unpublish(name: string): Promise<boolean>;
  /**
   * Creation methods that find or create in one step: `await manager.named("jobs").list()`. Arguments
   * count only on creation; a name of another typeid is a TypeError; a failure keeps no name.
   */
  named(name: string): BuiltinCreators & Creators<T>;
  /** The proxy of a ticket that `exportProxy` made, in any process that has the authkey. */
  importProxy<P = unknown>(ticket: string): Promise<P>;
  /** How many objects a session, a name or a ticket holds. Python: `_number_of_objects`. */
  numberOfObjects(): Promise<number>;
  /** What the server holds and does, as data. Python: `_debug_info`. */
  debugInfo(): Promise<DebugInfo>;
  /**
   * Writes what was issued, rejects what is pending, ends this session. Resolves when all that was
   * issued is on its way. Again: waits for the same.
   */
  close(): Promise<void>;
  /**
   * Ends the server in order. The process that started it terminates it after `timeout` milliseconds
   * (default 10 000), then kills it; any other gets TimeoutError. Again: waits for the same end.
   */
  shutdown(options?: { timeout?: number }): Promise<void>;
  /**
   * Waits for the end of the server process where this process started it, else until this manager is
   * unusable. Only this keeps the process alive while nothing is called. Python: `join`.
   */
  join(options?: JoinOptions): Promise<void>;
  /** `shutdown()` for whoever started the server, `close()` for the others. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** What stands behind a manager. */
export interface FacadeParts {
  readonly client: Client;
  /** Typeids that the client may not have heard of yet. */
  readonly typeids?: readonly string[];
  /** The server process, where this process started it. */
  readonly child?: ServerProcess;
  /** This manager does not use the client any more. */
  readonly leave: () => void | Promise<void>;
  /** Ends the server, where it lives in this thread; works without the client. */
  readonly stop?: () => Promise<void>;
  /** `shutdown` or `close`. */
  readonly disposal: "shutdown" | "close";
}

const defaultShutdownTimeout = 10_000;
/** Milliseconds between SIGTERM and SIGKILL. */
const killDelay = 1_000;
/** Milliseconds that the end of a process may come after the end of its connection, or before. */
const exitDelay = 1_000;

/** The members of a manager; the creation methods are properties of each instance. */
export class ManagerFacade implements ManagerMembers<unknown> {
  readonly closed: Promise<Closed>;
  readonly #parts: FacadeParts;
  readonly #resolveLeft: (closed: Closed) => void;
  #left: Promise<void> | undefined;
  #shutdown: Promise<void> | undefined;

  /** The client that a manager uses; undefined of anything else. */
  static clientOf(value: unknown): Client | undefined {
    if (typeof value !== "object" || value === null || !(#parts in value)) return undefined;
    return value.#parts.client;
  }

  constructor(parts: FacadeParts) {
    this.#parts = parts;
    let resolveLeft!: (closed: Closed) => void;
    const left = new Promise<Closed>((resolve) => resolveLeft = resolve);
    this.#resolveLeft = resolveLeft;
    this.closed = Promise.race([
      left,
      parts.client.ended.then((ended) => this.#describeEnd(ended)),
    ]);
    const create = (typeid: string, args: unknown[]) => this.#call("create", [typeid, args]);
    Object.defineProperties(this, this.#creators(create));
  }

  /** No property of its own: whoever prints a manager does not print the authkey. */
  get env(): Record<string, string> {
    return this.#parts.client.env;
  }

  get address(): string {
    return this.#parts.client.address;
  }

  async create<P>(typeid: string, ...args: unknown[]): Promise<P> {
    return await this.#call("create", [typeid, args]) as P;
  }

  async publish(name: string, proxy: object, options: PublishOptions = {}): Promise<void> {
    checkObject(options, "{ replace: true }");
    checkNames("publish()", options, ["replace"]);
    await this.#call("publish", [name, proxy, options.replace ?? false]);
  }

  async lookup<P>(name: string): Promise<P | undefined> {
    return await this.#call("lookup", [name]) as P | undefined;
  }

  async unpublish(name: string): Promise<boolean> {
    return await this.#call("unpublish", [name]) as boolean;
  }

  named(name: string): BuiltinCreators & Creators<unknown> {
    const create = (typeid: string, args: unknown[]) => this.#call("named", [name, typeid, args]);
    return Object.create(null, this.#creators(create));
  }

  async importProxy<P>(ticket: string): Promise<P> {
    const parts = readTicket(ticket);
    this.#checkTicket(parts);
    try {
      return await this.#call("importProxy", [parts.secret]) as P;
    } catch (error) {
      this.#checkTicket(parts); // which server this is may be known only now
      throw error;
    }
  }

  async numberOfObjects(): Promise<number> {
    return await this.#call("numberOfObjects", []) as number;
  }

  async debugInfo(): Promise<DebugInfo> {
    return await this.#call("debugInfo", []) as DebugInfo;
  }

  async close(): Promise<void> {
    await this.#leave();
  }

  async shutdown(options: { timeout?: number } = {}): Promise<void> {
    const { timeout = defaultShutdownTimeout } = checkedOptions(options);
    checkNames("shutdown()", options, ["timeout"]);
    this.#shutdown ??= this.#end(timeout);
    await this.#shutdown;
  }

  async join(options: JoinOptions = {}): Promise<void> {
    const { timeout, signal } = checkedOptions(options, "join()");
    const { child, client } = this.#parts;
    signal?.throwIfAborted();
    child?.ref();
    const release = client.stayAlive();
    try {
      const ended: Promise<unknown> = child?.exited ?? this.closed;
      await within(ended, timeout, signal, "The server has not ended");
    } finally {
      child?.unref();
      release();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this[this.#parts.disposal]();
  }

  #checkTicket({ epoch, address }: TicketText): void {
    const { client } = this.#parts;
    if (epoch === client.epoch || client.epoch === "" || !client.usable) return;
    throw new UnknownObjectError(
      address === client.address
        ? `The ticket is of an earlier server at "${address}", which has ended: ask for a new one`
        : `The ticket is of the server at "${address}", this manager is connected to "${client.address}": import it with a manager of that server`,
    );
  }

  #call(...[method, args]: Parameters<Client["callServer"]>): Promise<unknown> {
    if (this.#left && this.#parts.client.usable) {
      return Promise.reject(
        new ConnectionClosedError(`Cannot call "${method}": this manager was closed`, {
          cause: new ConnectionClosedError("This manager was closed"),
        }),
      );
    }
    return this.#parts.client.callServer(method, args);
  }

  #creators(create: (typeid: string, args: unknown[]) => Promise<unknown>): PropertyDescriptorMap {
    const { client, typeids: own = [] } = this.#parts;
    const typeids = new Set([...builtins.keys(), ...client.types.keys(), ...own]);
    return Object.fromEntries(
      [...typeids].map((typeid) => [typeid, {
        value: (...args: unknown[]) => create(typeid, args),
        enumerable: true,
      }]),
    );
  }

  /** Resolves when what was issued is on its way. */
  #leave(): Promise<void> {
    if (this.#left) return this.#left;
    this.#left = Promise.resolve(this.#parts.leave());
    if (this.#parts.client.usable) this.#resolveLeft({ by: "close" });
    return this.#left;
  }

  async #describeEnd(ended: Ended): Promise<Closed> {
    const { child } = this.#parts;
    if (!child || ended.by === "close") return ended;
    const end = await inTime(child.exited, exitDelay);
    return end ? { ...ended, exitCode: end.code, exitSignal: end.signal } : ended;
  }

  async #end(timeout: number): Promise<void> {
    const { client, child } = this.#parts;
    if (this.#left && !child) return await this.#parts.stop?.();
    const asked = client.usable ? client.shutdown().catch(() => {}) : Promise.resolve();
    // Not before it was asked: to a server whose starter is gone what was called does not matter.
    const left = asked.then(() => child?.endStdin());
    const over = Promise.all([left, client.ended, child?.exited]);
    const ended = await inTime(over, timeout);
    if (!ended && !child) {
      throw new TimeoutError(`The server at "${this.address}" did not end in ${timeout} ms`);
    }
    if (!ended) {
      await kill(child!);
      await inTime(client.ended, exitDelay); // so that `closed` does not take this for `close()`
    }
    await this.#leave();
  }
}

async function kill(child: ServerProcess): Promise<void> {
  child.kill("SIGTERM");
  if (await inTime(child.exited, killDelay)) return;
  child.kill("SIGKILL");
  await child.exited;
}
